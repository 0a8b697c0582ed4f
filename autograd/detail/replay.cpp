#include <unroll/autograd/detail/local_rule.h>
#include <unroll/autograd/detail/replay.h>
#include <unroll/autograd/leaf.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

// The finaliser of SplitMix64: what is drawn for an element depends on nothing but its place.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

// Of either sign and never near 0.
double drawn(std::uint64_t seed, std::uint64_t of, std::uint64_t at) {
  const std::uint64_t bits = mixed(mixed(seed + 0x51ed270bU * of) ^ at);
  const double size = 0.5 + to_unit(bits);
  return (bits & 1U) != 0 ? size : -size;
}

std::uint64_t hash_of(const void* data, std::size_t bytes, std::uint64_t from) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) from = (from ^ p[i]) * 0x100000001b3U;
  return from;
}

std::uint64_t hash_of(const Header& x) {
  std::uint64_t result = 0xcbf29ce484222325U;
  visit(x.dtype, [&]<class T>(T) {
    for_each_place(x, [&](std::size_t, Index place) {
      result = hash_of(reinterpret_cast<const T*>(x.data) + place, sizeof(T), result);
    });
  });
  return result;
}

std::vector<double> direction_of(const ReplayValue& value, const ReplayOptions& options,
                                 std::uint32_t index) {
  double squares = 0;
  for (const double x : value.elements)
    if (std::isfinite(x)) squares += x * x;
  const double size =
      value.elements.empty() ? 0 : std::sqrt(squares / static_cast<double>(value.elements.size()));
  std::vector<double> result(value.elements.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double x = std::abs(value.elements[i]);
    double scale = options.relative ? x : std::max(x, 0.1 * size);
    if (!options.relative && size == 0) scale = 1;
    if (!std::isfinite(x)) scale = 0;
    result[i] = scale * drawn(options.seed, index, static_cast<std::uint64_t>(value.place(i)));
  }
  return result;
}

}  // namespace

std::vector<double> elements_of(const Header& x) {
  std::vector<double> result(static_cast<std::size_t>(x.size));
  visit(x.dtype, [&]<class T>(T) {
    const T* from = reinterpret_cast<const T*>(x.data);
    for_each_place(
        x, [&](std::size_t i, Index place) { result[i] = static_cast<double>(from[place]); });
  });
  return result;
}

// Parameters that the first run read, moved until the end of a replay. Versions stay: no tape but
// the replay's reads them meanwhile.
struct Replays::LeafInPlace {
  explicit LeafInPlace(Replays& replays) : replays_(replays) {
    for (const Leaf& leaf : replays_.tape_->leaves) {
      if (leaf.value == no_value || leaf.info == nullptr) continue;
      replays_.put(leaf.value, *leaf.header);
    }
  }
  ~LeafInPlace() {
    replays_.step_ = 0;
    for (const Leaf& leaf : replays_.tape_->leaves)
      if (leaf.value != no_value && leaf.info != nullptr) replays_.put(leaf.value, *leaf.header);
  }
  LeafInPlace(const LeafInPlace&) = delete;
  LeafInPlace& operator=(const LeafInPlace&) = delete;

  Replays& replays_;
};

Replays::Replays(const CheckedFunction& f, const ReplayOptions& options)
    : f_(f), options_(options), first_(f), tape_(tapes.top) {
  std::vector<Tensor> watched;
  for (const CheckedInput& input : f.inputs) {
    if (input.is_parameter) continue;
    watched.push_back(is_floating(input.value.dtype()) ? first_->watch(input.value) : input.value);
  }
  now_ = nullptr;
  tape_->observer = this;
  tape_->observed = true;
  results_ = f.f(watched);
  tape_->observed = false;
  ++runs_;
  values_.resize(tape_->values.size());
  for (const Leaf& leaf : tape_->leaves)
    if (leaf.value != no_value) note_value(leaf.value, *leaf.header);
  for (const Tensor& y : results_) result_elements_.push_back(elements_of(*y.header()));
}

void Replays::note_value(std::uint32_t value, const Header& header) {
  if (values_.size() <= value) values_.resize(value + 1);
  ReplayValue& v = values_[value];
  v.elements = elements_of(header);
  v.room = header.size;
  if (!header.is(Header::dense)) {
    const Reach reach = reach_of(header);
    v.room = reach.last - reach.first + 1;
    v.places.resize(v.elements.size());
    for_each_place(header, [&](std::size_t i, Index place) { v.places[i] = place - reach.first; });
  }
  if (header.dtype == f64) v.direction = direction_of(v, options_, value);
}

void Replays::recorded(Recording& tape, std::span<Header* const> operands,
                       std::span<Header* const> results) {
  if (now_ == nullptr) {
    note(tape, operands, results);
    return;
  }
  const auto index = static_cast<std::uint32_t>(tape.nodes.size() - 1);
  if (!now_->complete || !compare(tape, operands, index)) {
    now_->complete = false;
    return;
  }
  now_->same_nodes = std::max(now_->same_nodes, index + 1);
  if (options_.second_order && moving_ != Moving::leaves) run_rule(index);
  const std::uint32_t first = nodes_[index].first_output;
  std::vector<std::vector<double>> made;
  for (Header* h : results) made.push_back(elements_of(*h));
  for (std::size_t k = 0; k < results.size(); ++k) {
    const auto value = first + static_cast<std::uint32_t>(k);
    double change = 0;
    for (std::size_t i = 0; i < made[k].size(); ++i) {
      const double before = values_[value].elements[i];
      const bool same = made[k][i] == before || (std::isnan(made[k][i]) && std::isnan(before));
      if (!same) change += weight(value, i) * (made[k][i] - before);
    }
    now_->change[value] = change;
    if (moving_ != Moving::leaves) put(value, *results[k]);
  }
  if (index == kept_node) now_->kept = std::move(made);
}

void Replays::note(Recording& tape, std::span<Header* const> operands,
                   std::span<Header* const> results) {
  const Node& node = tape.nodes.back();
  ReplayNode noted{.operation = node.operation,
                   .first_output = node.first_output,
                   .outputs = node.outputs,
                   .inputs = {tape.inputs_of(node), tape.inputs_of(node) + node.inputs},
                   .attributes = hash_of(node.payload, node.attribute_bytes, 1)};
  for (std::size_t k = 0; k < noted.inputs.size(); ++k) {
    noted.constants.push_back(noted.inputs[k] == no_value ? hash_of(*operands[k]) : 0);
    noted.shapes.push_back(Shape({operands[k]->extents(), operands[k]->rank}));
  }
  nodes_.resize(tape.nodes.size());
  nodes_.back() = std::move(noted);
  for (std::size_t k = 0; k < results.size(); ++k)
    note_value(node.first_output + static_cast<std::uint32_t>(k), *results[k]);
}

bool Replays::compare(Recording& tape, std::span<Header* const> operands, std::uint32_t index) {
  if (index >= nodes_.size()) return false;
  const Node& node = tape.nodes[index];
  const ReplayNode& before = nodes_[index];
  const std::uint32_t* inputs = tape.inputs_of(node);
  if (node.operation != before.operation || node.first_output != before.first_output ||
      node.outputs != before.outputs ||
      !std::equal(before.inputs.begin(), before.inputs.end(), inputs, inputs + node.inputs))
    return false;
  for (std::uint32_t k = 0; k < node.outputs; ++k)
    if (tape.shape_of(node.first_output + k) != tape_->shape_of(node.first_output + k))
      return false;
  for (std::size_t k = 0; k < before.inputs.size(); ++k)
    if (before.inputs[k] == no_value && hash_of(*operands[k]) != before.constants[k]) {
      now_->constants_changed.push_back(index);
      break;
    }
  if (hash_of(node.payload, node.attribute_bytes, 1) != before.attributes)
    now_->attributes_changed.push_back(index);
  return true;
}

// The gradients that the rule makes at what the operands are now, before the results are replaced:
// a rule may read them.
void Replays::run_rule(std::uint32_t index) {
  const ReplayNode& node = nodes_[index];
  std::vector<Tensor> upstream;
  for (std::uint32_t v = node.first_output; v < node.first_output + node.outputs; ++v) {
    Tensor g = this->upstream(v);
    if (g.defined() && step_ != 0) {
      double* to = data<double>(g);
      for (std::size_t i = 0; i < static_cast<std::size_t>(g.size()); ++i)
        to[i] += step_of(v, static_cast<Index>(i)) * weight_direction(v, i);
    }
    upstream.push_back(std::move(g));
  }
  const LocalGradient local = local_gradient(*pass_, index, upstream, Rule::in_place);
  double sum = 0;
  for (std::size_t k = 0; k < local.operands.size(); ++k)
    for (std::size_t i = 0; i < local.gradients[k].size(); ++i)
      sum += gradient_weight(index, local.operands[k], i) * local.gradients[k][i];
  now_->rule_change[index] = sum;
}

double Replays::step_of(std::uint32_t value, Index place) const {
  if (step_ == 0 || moving_ == Moving::none) return 0;
  if (moving_ == Moving::all) return step_;
  for (const Move& m : moves_)
    if (m.value == value && m.begin <= place && place < m.end) return step_ * m.factor;
  return 0;
}

// Results that own their elements are written over; a view is given elements of its own, since what
// it views is another value.
void Replays::put(std::uint32_t value, Header& header) const {
  if (header.size == 0) return;
  const ReplayValue& v = values_[value];
  const std::size_t bytes = element_bytes(header.dtype);
  if (header.owner != nullptr) {
    const Reach reach = reach_of(header);
    Tensor own = empty({reach.last - reach.first + 1}, header.dtype);
    header.data = own.header()->data - reach.first * static_cast<Index>(bytes);
    release(std::exchange(header.owner, own.surrender()));
  }
  bool moves = !v.direction.empty() && step_ != 0 && moving_ != Moving::none;
  if (moves && moving_ != Moving::all)
    moves =
        std::any_of(moves_.begin(), moves_.end(), [&](const Move& m) { return m.value == value; });
  visit(header.dtype, [&]<class T>(T) {
    T* to = reinterpret_cast<T*>(header.data);
    for_each_place(header, [&](std::size_t i, Index place) {
      const double by = moves ? step_of(value, v.place(i)) * v.direction[i] : 0;
      to[place] = static_cast<T>(by == 0 ? v.elements[i] : v.elements[i] + by);
    });
  });
}

Replayed Replays::replay(double step, Moving moving, std::span<const Move> moves) {
  Replayed now;
  now.change.assign(values_.size(), 0);
  if (options_.second_order) now.rule_change.assign(nodes_.size(), 0);
  step_ = step;
  moving_ = moving;
  moves_ = moves;
  const LeafInPlace parameters(*this);
  EvaluationTape tape(f_);
  Recording* const recording = tapes.top;
  std::vector<Tensor> watched;
  std::uint32_t value = 0;
  for (const CheckedInput& input : f_.inputs) {
    if (input.is_parameter) continue;
    if (!is_floating(input.value.dtype())) {
      watched.push_back(input.value);
      continue;
    }
    const Tensor moved = detach(input.value);
    put(value++, *moved.header());
    watched.push_back(tape->watch(moved));
  }
  GradientPass pass(*recording, {.differentiable = false, .retain = true});
  struct Ended {
    Replays* replays;
    Recording* recording;
    ~Ended() {
      recording->observed = false;
      replays->now_ = nullptr;
      replays->pass_ = nullptr;
    }
  } const ended{this, recording};
  now_ = &now;
  pass_ = &pass;
  recording->observer = this;
  recording->observed = true;
  const std::vector<Tensor> results = f_.f(watched);
  ++runs_;
  now.complete = now.complete && recording->nodes.size() == nodes_.size();
  for (const Tensor& y : results) now.results.push_back(elements_of(*y.header()));
  return now;
}

Replayed Replays::run(double step) { return replay(step, Moving::all, {}); }

Replayed Replays::run(double step, std::span<const Move> moves) {
  return replay(step, Moving::chosen, moves);
}

Replayed Replays::run_leaves(double step, std::span<const Move> leaves) {
  return replay(step, Moving::leaves, leaves);
}

double Replays::weight(std::uint32_t value, std::size_t element) const {
  return drawn(options_.seed ^ 0xa5a5U, value, element);
}

Tensor Replays::upstream(std::uint32_t value) const {
  if (tape_->dtype_of_value(value) != f64) return {};
  Tensor g = empty(tape_->shape_of(value), f64);
  double* to = data<double>(g);
  for (std::size_t i = 0; i < static_cast<std::size_t>(g.size()); ++i) to[i] = weight(value, i);
  return g;
}

double Replays::weight_direction(std::uint32_t value, std::size_t element) const {
  return drawn(options_.seed ^ 0x5a5a5aU, value, element);
}

double Replays::gradient_weight(std::uint32_t node, std::uint32_t value,
                                std::size_t element) const {
  return drawn(options_.seed ^ 0x3c3c3c3cU, value + 0x9e3779b9U * std::uint64_t{node}, element);
}

}  // namespace unroll::detail
