// What graphs ask of a pass: how long each rule takes, and how large each gradient is.
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/norm.h>

#include <utility>

namespace unroll::detail {

void GradientPass::run_watched_rule(const Node& node, std::uint32_t index) {
  const auto began = Measurements::Clock::now();
  if (tape_.check_finite) {
    run_checked_rule(node, index);
  } else {
    Backward rule(*this, node);
    node.operation->derivative(rule);
  }
  if (timings_ != nullptr) timings_->add_backward(index, began);
}

void GradientPass::mark_measured() {
  for (Slot& s : slots_)
    for (const Slot::Flag f : {Slot::needed, Slot::wanted, Slot::passing, Slot::hooked}) s.set(f);
}

void GradientPass::measure(std::uint32_t value) {
  Slot& s = slots_[value];
  if (const auto found = options_.replaced->find(value); found != options_.replaced->end()) {
    retain(found->second.header());
    release(std::exchange(s.buffer, found->second.header()));
    s.set(Slot::shared);
  }
  retain(s.buffer);
  NormSum sum;
  sum.add(Tensor::adopt(s.buffer));
  (*options_.norms)[value] = sum.norm();
}

void GradientPass::measure_leaves() {
  for (const Leaf& leaf : tape_.leaves) {
    if (leaf.value == no_value || leaf.value >= slots_.size()) continue;
    const PassResult result = take(leaf.value);
    Tensor g = result.dense;
    if (!g.defined() && result.rows.empty()) continue;
    if (!g.defined()) g = dense_of_rows(leaf.value, result.rows);
    if (const auto found = options_.replaced->find(leaf.value); found != options_.replaced->end())
      g = found->second;
    NormSum sum;
    sum.add(g);
    (*options_.norms)[leaf.value] = sum.norm();
  }
}

void keep_norms(Recording& tape, std::uint32_t top, const Tensor& upstream, Replacements& replaced,
                bool retain) {
  // The pass before it has checked what was asked for.
  struct Unchecked {
    Recording& tape;
    const bool before = std::exchange(tape.check_finite, false);
    ~Unchecked() { tape.check_finite = before; }
  } const unchecked{tape};
  std::vector<std::optional<double>> norms(tape.values.size());
  GradientPass pass(tape, {.retain = retain, .replaced = &replaced, .norms = &norms});
  static_cast<void>(pass.run(top, upstream, {}));
  tape.notes.norms = std::move(norms);
}

}  // namespace unroll::detail
