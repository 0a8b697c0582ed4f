#include <unroll/autograd/detail/recomputed_parts.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/operation.h>

#include <algorithm>

namespace unroll::detail {
namespace {

[[noreturn]] void fail_differs(const std::string& given) {
  fail("recompute", {.given = given,
                     .needed = "a function that does the same whenever it is called",
                     .hint = "what it reads beside its inputs must stay as it is until backward: "
                             "capture by value, and draw random numbers from default_rng() or the "
                             "tape, not from an Rng of your own"});
}

}  // namespace

// The tape records for a second run as it did for the first, whatever was current.
class RecomputedParts::Running {
 public:
  Running(Recording& tape, const Part& part, Replay& replay, std::uint32_t innermost)
      : tape_(tape),
        current_(std::exchange(tapes.current, &tape)),
        top_(std::exchange(tapes.top, &tape)),
        paused_(std::exchange(tape.paused, 0)),
        passes_(std::exchange(tape.passes, 0)),
        random_operations_(std::exchange(tape.random_operations, part.random_operations)),
        rng_(std::exchange(default_rng(), part.rng)),
        replay_(std::exchange(tape.recomputed.replay_, &replay)),
        innermost_(std::exchange(tape.recomputed.innermost_, innermost)) {}
  ~Running() {
    tapes.current = current_;
    tapes.top = top_;
    tape_.paused = paused_;
    tape_.passes = passes_;
    tape_.random_operations = random_operations_;
    default_rng() = rng_;
    tape_.recomputed.replay_ = replay_;
    tape_.recomputed.innermost_ = innermost_;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Recording& tape_;
  Recording* current_;
  Recording* top_;
  int paused_;
  int passes_;
  std::uint64_t random_operations_;
  Rng rng_;
  Replay* replay_;
  std::uint32_t innermost_;
};

std::uint32_t RecomputedParts::begin(const Recording& tape) {
  if (replaying()) {
    const std::uint32_t part = replay_->next_part++;
    if (part >= parts_.size() || parts_[part].begin != replay_->node ||
        parts_[part].outer != innermost_)
      fail_differs("f called recompute where it did not the first time");
    parts_[part].state = State::running;
    parts_[part].inputs.clear();
    return innermost_ = part;
  }
  parts_.push_back({.begin = static_cast<std::uint32_t>(tape.nodes.size()),
                    .outer = innermost_,
                    .random_operations = tape.random_operations,
                    .rng = default_rng()});
  return innermost_ = static_cast<std::uint32_t>(parts_.size() - 1);
}

void RecomputedParts::keeps(std::uint32_t part, const Header& input) {
  if (const SavedBlock block = block_of(input); block.bytes != 0)
    parts_[part].inputs.push_back(block);
}

void RecomputedParts::end(Recording& tape, std::uint32_t part, Function again,
                          std::uint64_t fingerprint) {
  if (!tape.open)
    fail("recompute", {.given = "f closed the tape",
                       .needed = "backward after it",
                       .hint = "tape.gradient(y, x) leaves the tape open"});
  Part& p = parts_[part];
  if (replaying()) {
    if (replay_->node != p.end) fail_differs("f recorded fewer operations than the first time");
  } else {
    p.end = static_cast<std::uint32_t>(tape.nodes.size());
    p.fingerprint = fingerprint;
  }
  innermost_ = p.outer;
  if (p.begin == p.end && part + 1 == parts_.size() && p.outer == none) {
    parts_.pop_back();
    return;
  }
  p.again = std::move(again);
  release(tape, part);
}

void RecomputedParts::abandon(std::uint32_t part) {
  if (part >= parts_.size()) return;  // the tape has ended
  Part& p = parts_[part];
  innermost_ = p.outer;
  if (replaying()) return;
  p.end = p.begin;
  p.state = State::filled;
}

std::byte* RecomputedParts::match(Recording& tape, const Operation* operation,
                                  std::span<const std::uint32_t> inputs,
                                  std::span<Header* const> saved, std::size_t attribute_bytes,
                                  std::span<Header* const> outputs) {
  Replay& r = *replay_;
  if (r.node == r.end)
    fail_differs(std::string("f recorded ") + operation->name +
                 " beyond what it recorded the first time");
  Node& node = tape.nodes[r.node];
  if (node.operation != operation)
    fail_differs(std::string("f recorded ") + operation->name + " where it recorded " +
                 node.operation->name + " the first time");
  bool same = node.inputs == inputs.size() && node.saved == saved.size() &&
              node.outputs == outputs.size() && node.attribute_bytes == attribute_bytes &&
              std::equal(inputs.begin(), inputs.end(), tape.inputs_of(node));
  for (std::uint32_t k = 0; same && k < node.outputs; ++k) {
    const std::span<const Index> extents = tape.extents_of(node.first_output + k);
    same = std::equal(extents.begin(), extents.end(), outputs[k]->extents(),
                      outputs[k]->extents() + outputs[k]->rank);
  }
  if (!same)
    fail_differs(std::string("f recorded ") + operation->name +
                 " with operands or a result other than those of the first time");
  tape.release_saved(node);
  Header** const to = tape.saved_of(node);
  for (std::size_t i = 0; i < saved.size(); ++i) {
    if (!saved[i]->is(Header::leaf)) retain(saved[i]);
    to[i] = saved[i];
  }
  for (std::uint32_t k = 0; k < node.outputs; ++k) {
    outputs[k]->tape = tape.serial;
    outputs[k]->value = node.first_output + k;
  }
  ++r.node;
  return node.payload;
}

std::uint32_t RecomputedParts::innermost_around(std::uint32_t node) const {
  const auto behind =
      std::upper_bound(parts_.begin(), parts_.end(), node,
                       [](std::uint32_t at, const Part& p) { return at < p.begin; });
  auto part = static_cast<std::uint32_t>(behind - parts_.begin() - 1);  // or none
  while (part != none && parts_[part].end <= node) part = parts_[part].outer;
  return part;
}

void RecomputedParts::fill(Recording& tape, std::uint32_t node, bool keep) {
  for (;;) {
    std::uint32_t outermost = none;
    for (std::uint32_t p = innermost_around(node); p != none; p = parts_[p].outer)
      if (parts_[p].state == State::released && parts_[p].end > node) outermost = p;
    if (outermost == none) return;
    run_again(tape, outermost, keep);
  }
}

void RecomputedParts::run_again(Recording& tape, std::uint32_t part, bool keep) {
  Part& p = parts_[part];  // stays where it is: a second run adds no parts
  Function again = std::move(p.again);
  p.again = nullptr;
  p.state = State::running;
  Replay replay{.node = p.begin, .end = p.end, .next_part = part + 1};
  const Label& label = tape.label_of(tape.nodes[p.begin]);
  const std::string path = tape.paths[label.path];
  try {
    const Running running(tape, p, replay, part);
    const auto path_of = [](const void* text) { return *static_cast<const std::string*>(text); };
    const ScopeFrame place(&path, path.empty() ? nullptr : +path_of, label.step);
    const std::uint64_t fingerprint = again();
    if (replay.node != replay.end) fail_differs("f recorded fewer operations than the first time");
    if (fingerprint != p.fingerprint) fail_differs("f returned other values than the first time");
  } catch (...) {
    p.again = std::move(again);
    release(tape, part);
    throw;
  }
  if (keep) p.again = std::move(again);
  p.state = State::filled;
}

void RecomputedParts::release(Recording& tape, std::uint32_t part) {
  Part& p = parts_[part];
  for (std::uint32_t i = p.begin; i < p.end; ++i) tape.release_saved(tape.nodes[i]);
  p.state = State::released;
  for (std::uint32_t within = part + 1; within < parts_.size() && parts_[within].begin < p.end;
       ++within) {
    parts_[within].again = nullptr;
    parts_[within].state = State::released;
  }
  if (p.begin == p.end) return;
  const Node& last = tape.nodes[p.end - 1];
  tape.padded_weights.forget(tape.serial, tape.nodes[p.begin].first_output,
                             last.first_output + last.outputs);
}

void RecomputedParts::leave(Recording& tape, std::uint32_t node, bool release_again) {
  for (std::uint32_t p = innermost_around(node); p != none && parts_[p].begin == node;
       p = parts_[p].outer) {
    if (parts_[p].state != State::filled) continue;
    const bool outermost = parts_[p].outer == none || parts_[parts_[p].outer].begin != node;
    if (release_again && parts_[p].again) {
      release(tape, p);
    } else if (outermost) {
      const Node& last = tape.nodes[parts_[p].end - 1];
      tape.padded_weights.forget(tape.serial, tape.nodes[node].first_output,
                                 last.first_output + last.outputs);
    }
  }
}

void RecomputedParts::close() {
  for (Part& p : parts_) {
    p.again = nullptr;
    p.state = State::released;
  }
  innermost_ = none;
}

void RecomputedParts::clear() {
  parts_.clear();
  innermost_ = none;
}

void RecomputedParts::take_back(std::size_t nodes) {
  while (!parts_.empty() && parts_.back().begin >= nodes) parts_.pop_back();
}

}  // namespace unroll::detail
