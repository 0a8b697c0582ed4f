#include <unroll/autograd/detail/make_room.h>
#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/operation.h>
#include <unroll/autograd/pool.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>

namespace unroll::detail {

constinit thread_local TapeStack tapes;

namespace {

#ifdef __SANITIZE_ADDRESS__  // which maps and unmaps each block above 128 KiB by itself
constexpr std::size_t chunk_bytes = std::size_t{1} << 16;
#else
constexpr std::size_t chunk_bytes = std::size_t{1} << 18;
#endif

// Serials of a thread share their upper half, so that a tensor tells whose tape it was made on.
std::uint64_t& last_serial() {
  static std::atomic<std::uint64_t> threads{0};
  thread_local std::uint64_t serial = (threads.fetch_add(1) + 1) << 32;
  if ((serial & 0xffffffffU) == 0xffffffffU) serial = (threads.fetch_add(1) + 1) << 32;
  return serial;
}

// Open tapes of all threads, for the check that a tensor is not being recorded elsewhere.
struct LiveTapes {
  std::mutex mutex;
  std::unordered_map<std::uint64_t, const Recording*> by_serial;
};
LiveTapes& live_tapes() {
  static LiveTapes* const instance = new LiveTapes;
  return *instance;
}

// Arrays of ended tapes, two deep: the last ended one stays readable while the next one records.
struct Spares {
  std::array<std::unique_ptr<Recording>, 2> ended;  // [0] the last
};
thread_local Spares spares;
constinit thread_local bool spares_alive = true;
struct SparesGuard {
  SparesGuard() = default;
  ~SparesGuard() { spares_alive = false; }
  SparesGuard(const SparesGuard&) = delete;
  SparesGuard& operator=(const SparesGuard&) = delete;
};

}  // namespace

Recording::Recording() = default;
Recording::~Recording() { release_payloads(); }

const std::uint32_t* Recording::inputs_of(const Node& n) const {
  std::size_t extents = 0;
  for (std::uint32_t k = 0; k < n.outputs; ++k) extents += values[n.first_output + k].rank;
  return reinterpret_cast<const std::uint32_t*>(n.payload + n.attribute_bytes +
                                                8 * (n.saved + extents));
}

std::span<const Index> Recording::extents_of(std::uint32_t value) const {
  const Value& v = values[value];
  if (v.is_leaf != 0) return {leaf_extents_.data() + leaves[v.origin].extents_at, v.rank};
  const Node& n = nodes[v.origin];
  const auto* extents = reinterpret_cast<const Index*>(n.payload + n.attribute_bytes + 8 * n.saved);
  for (std::uint32_t k = n.first_output; k < value; ++k) extents += values[k].rank;
  return {extents, v.rank};
}

std::byte* Recording::arena(std::size_t bytes) {
  if (static_cast<std::size_t>(chunk_end_ - cursor_) < bytes) {
    if (bytes > chunk_bytes / 4) {  // a payload of its own: many inputs
      const std::uint8_t block_class = pool_class(bytes + 8);
      make_room(chunks_, 1);
      std::byte* block = pool_take(block_class);
      *reinterpret_cast<std::uint64_t*>(block) = block_class;
      chunks_.push_back(block);
      return block + 8;
    }
    const std::uint8_t block_class = pool_class(chunk_bytes);
    make_room(chunks_, 1);
    std::byte* block = pool_take(block_class);
    *reinterpret_cast<std::uint64_t*>(block) = block_class;
    chunks_.push_back(block);
    cursor_ = block + 8;
    chunk_end_ = block + pool_class_bytes(block_class);
  }
  std::byte* result = cursor_;
  cursor_ += bytes;
  return result;
}

Index Recording::arena_bytes() const {
  Index bytes = 0;
  for (const std::byte* chunk : chunks_)
    bytes += static_cast<Index>(pool_class_bytes(
        static_cast<std::uint8_t>(*reinterpret_cast<const std::uint64_t*>(chunk))));
  return bytes;
}

std::byte* Recording::push(const Operation* operation, std::span<const std::uint32_t> inputs,
                           std::span<Header* const> saved, std::size_t attribute_bytes,
                           std::span<Header* const> outputs) {
  const std::size_t attributes = (attribute_bytes + 7) & ~std::size_t{7};
  if (recomputed.replaying())
    return recomputed.match(*this, operation, inputs, saved, attributes, outputs);
  if (scopes.changes != label_changes_) relabel();
  std::size_t extents = 0;
  for (const Header* out : outputs) extents += out->rank;
  const std::size_t bytes =
      (attributes + 8 * (saved.size() + extents) + 4 * inputs.size() + 7) & ~std::size_t{7};
  std::byte* payload = arena(bytes);
  if (attributes != attribute_bytes) std::memset(payload + attributes - 8, 0, 8);
  const auto node = static_cast<std::uint32_t>(nodes.size());
  const auto first = static_cast<std::uint32_t>(values.size());

  // First what may throw, so that it can be taken back; waste in the arena does not matter.
  nodes.push_back({.operation = operation,
                   .payload = payload,
                   .first_output = first,
                   .inputs = static_cast<std::uint32_t>(inputs.size()),
                   .label = label_,
                   .attribute_bytes = static_cast<std::uint16_t>(attributes),
                   .saved = static_cast<std::uint8_t>(saved.size()),
                   .outputs = static_cast<std::uint8_t>(outputs.size())});
  try {
    for (std::size_t k = 0; k < outputs.size(); ++k)
      values.push_back(
          {.origin = node,
           .uses = 0,
           .rank = static_cast<std::uint8_t>(outputs[k]->rank & 15U),
           .is_leaf = 0,
           .dtype = static_cast<std::uint8_t>(static_cast<std::uint8_t>(outputs[k]->dtype) & 7U),
           .output = static_cast<std::uint8_t>(k)});
  } catch (...) {
    values.resize(first);
    nodes.pop_back();
    throw;
  }

  auto* saved_at = reinterpret_cast<Header**>(payload + attributes);
  for (Header* x : saved) {
    if (!x->is(Header::leaf)) retain(x);  // leaves are held once, in the leaf table
    *saved_at++ = x;
  }
  auto* extents_at = reinterpret_cast<Index*>(saved_at);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    Header* out = outputs[k];
    for (std::uint8_t i = 0; i < out->rank; ++i) *extents_at++ = out->extents()[i];
    out->tape = serial;
    out->value = first + static_cast<std::uint32_t>(k);
  }
  auto* inputs_at = reinterpret_cast<std::uint32_t*>(extents_at);
  for (const std::uint32_t input : inputs) {
    if (input != no_value && values[input].uses != 0xffff) ++values[input].uses;
    *inputs_at++ = input;
  }
  return payload;
}

Place Recording::place_of(const Node& n) const {
  const Label& label = label_of(n);
  return {.path = paths[label.path], .step = label.step};
}

void Recording::relabel() {
  const ScopeFrame* module = innermost_module();
  const std::uint64_t frame = module != nullptr ? module->id() : 0;
  if (paths.empty()) paths.emplace_back();
  if (frame != path_frame_) {
    std::uint32_t path_index = 0;
    if (module != nullptr) {
      std::string path = module->path();
      const auto found = std::find(paths.begin(), paths.end(), path);
      path_index = static_cast<std::uint32_t>(found - paths.begin());
      if (found == paths.end()) paths.push_back(std::move(path));
    }
    path_ = path_index;
    path_frame_ = frame;
  }
  labels.push_back(
      {.path = path_, .step = static_cast<std::int32_t>(innermost_step()), .order = order_});
  label_ = static_cast<std::uint32_t>(labels.size() - 1);
  label_changes_ = scopes.changes;
}

void Recording::measure(bool statistics, bool timings) {
  measurements = std::make_unique<Measurements>(statistics, timings);
  observer = measurements.get();
  observed = true;
}

std::uint32_t Recording::current_path() {
  if (scopes.changes != label_changes_) relabel();
  return path_;
}

void Recording::enter_place(std::uint32_t label) {
  Label place = labels[label];
  place.order = order_;
  labels.push_back(place);
  place_ = static_cast<std::uint32_t>(labels.size() - 1);
  place_of_label_ = label;
}

void Recording::begin_order(std::uint32_t order) {
  order_ = order;
  highest_order_ = std::max(highest_order_, order);
  place_of_label_ = no_value;
}

void Recording::forget_place() {
  label_changes_ = ~std::uint64_t{0};
  order_ = 0;
  place_of_label_ = no_value;
}

void Recording::fail_foreign(const Header& x, std::string_view operation) const {
  check_not_elsewhere(x, operation);
  const std::string origin = origin_of(x);
  Tensor handle = Tensor::adopt(const_cast<Header*>(&x));
  const std::string what = describe(handle);
  static_cast<void>(handle.surrender());
  bool outer_tape = false;
  for (const Recording* r = outer; r != nullptr; r = r->outer)
    outer_tape = outer_tape || r->serial == x.tape;
  if (outer_tape)
    fail(operation, {.given = what + " belongs to an outer tape",
                     .needed = "a value of the innermost tape or without history",
                     .hint = "detach(x), or compute under one tape"});
  fail(operation, {.given = what + " belongs to a tape that has ended" +
                            (origin.empty() ? "" : " (made at " + origin + ")"),
                   .needed = "a value without history",
                   .hint = "state = detach(out.state) at the end of each window"});
}

void Recording::release_saved(Node& node) {
  Header** saved = saved_of(node);
  for (std::uint8_t i = 0; i < node.saved; ++i) {
    Header* x = saved[i];
    if (!is_held(x)) continue;
    if (x->is(Header::leaf)) {
      saved[i] = nullptr;
      continue;
    }
    saved[i] = reinterpret_cast<Header*>(static_cast<std::uintptr_t>(mark_of(*x->block())));
    release(x);
  }
}

SavedBlock Recording::saved_block(const Node& n, std::uint8_t i) const {
  const Header* x = saved_of(n)[i];
  if (x == nullptr) return {};
  return is_held(x) ? block_of(*x) : marked_block(reinterpret_cast<std::uintptr_t>(x), false);
}

Index Recording::graph_bytes() const {
  return static_cast<Index>(nodes.size() * sizeof(Node) + values.size() * sizeof(Value)) +
         arena_bytes();
}

void Recording::release_history() {
  if (!chunks_.empty())
    for (Node& node : nodes) release_saved(node);
  for (Leaf& leaf : leaves)
    if (Header* x = std::exchange(leaf.header, nullptr)) release(x);
  leaf_table_.clear();
  hooks.clear();
  padded_weights.clear();
  recomputed.close();
}

void Recording::release_payloads() {
  release_history();
  for (std::byte* chunk : chunks_)
    pool_give(chunk, static_cast<std::uint8_t>(*reinterpret_cast<std::uint64_t*>(chunk)));
  chunks_.clear();
  cursor_ = chunk_end_ = nullptr;
}

void Recording::clear_for_reuse() {
  release_payloads();
  nodes.clear();
  values.clear();
  leaves.clear();
  leaf_extents_.clear();
  labels.clear();
  paths.clear();
  names.clear();
  notes.clear();
  measurements.reset();
  observer = nullptr;
  recomputed.clear();
  label_ = path_ = 0;
  order_ = highest_order_ = 0;
  place_of_label_ = no_value;
  label_changes_ = ~std::uint64_t{0};
  path_frame_ = 0;
  open = true;
  paused = 0;
  passes = 0;
  observed = false;
  random_operations = 0;
  check_finite = false;
  differentiated = no_node;
  hooked = no_value;
}

Recording* begin_recording() {
  thread_local SparesGuard guard;
  std::unique_ptr<Recording> r;
  if (spares_alive && spares.ended[1] != nullptr) {
    r = std::move(spares.ended[1]);
    r->clear_for_reuse();
  } else {
    r = std::make_unique<Recording>();
  }
  r->serial = ++last_serial();
  r->thread = std::this_thread::get_id();
  r->outer = tapes.top;
  LiveTapes& live = live_tapes();
  {
    const std::lock_guard lock(live.mutex);
    live.by_serial.emplace(r->serial, r.get());
  }
  tapes.top = r.release();
  tapes.refresh();
  return tapes.top;
}

void close_recording(Recording& recording) {
  recording.open = false;
  tapes.refresh();
  LiveTapes& live = live_tapes();
  const std::lock_guard lock(live.mutex);
  live.by_serial.erase(recording.serial);
}

void end_recording(Recording* recording) noexcept { end_recording(recording, recording->outer); }

void end_recording(Recording* recording, Recording* innermost) noexcept {
  std::unique_ptr<Recording> r(recording);
  LiveTapes& live = live_tapes();
  {
    const std::lock_guard lock(live.mutex);
    live.by_serial.erase(r->serial);
  }
  tapes.top = innermost;
  tapes.refresh();
  r->release_payloads();
  if (!spares_alive) return;
  spares.ended[1] = std::move(spares.ended[0]);
  spares.ended[0] = std::move(r);
}

std::string origin_of(const Header& x) {
  const Recording* r = spares_alive ? spares.ended[0].get() : nullptr;
  if (r == nullptr || r->serial != x.tape || x.value >= r->values.size()) return {};
  const Value& v = r->values[x.value];
  if (v.is_leaf != 0) return {};
  const Label& label = r->label_of(r->nodes[v.origin]);
  std::string text;
  if (label.step >= 0) text = "t=" + std::to_string(label.step);
  if (!r->paths[label.path].empty()) text += (text.empty() ? "" : " of ") + r->paths[label.path];
  return text;
}

void check_not_elsewhere(const Header& x, std::string_view operation) {
  if (x.tape == 0 || x.tape >> 32 == last_serial() >> 32) return;
  LiveTapes& live = live_tapes();
  bool elsewhere = false;
  {
    const std::lock_guard lock(live.mutex);
    const auto found = live.by_serial.find(x.tape);
    elsewhere =
        found != live.by_serial.end() && found->second->thread != std::this_thread::get_id();
  }
  if (elsewhere)
    fail(operation, {.given = "an operand is being recorded by a tape on another thread",
                     .needed = "a value of this thread's tape or without history",
                     .hint = "detach(x), or compute on the thread of the tape"});
}

}  // namespace unroll::detail
