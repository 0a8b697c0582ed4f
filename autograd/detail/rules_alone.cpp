// Derivative rules by themselves, apart from the pass through a whole tape.
#include <unroll/autograd/detail/gradient_pass.h>

#include <algorithm>

namespace unroll::detail {

void GradientPass::forget(std::uint32_t value) {
  if (value == no_value) return;
  Slot& s = slots_[value];
  if (s.buffer != nullptr) release(s.buffer);
  s = {};
}

std::vector<PassResult> GradientPass::run_alone(std::span<const std::uint32_t> nodes,
                                                std::span<const Seed> seeds,
                                                std::span<const std::uint32_t> wanted,
                                                std::span<const Seed> begun) {
  if (slots_.size() < tape_.values.size()) slots_.resize(tape_.values.size());
  struct Clean {
    GradientPass& pass;
    std::span<const std::uint32_t> nodes, wanted;
    std::span<const Seed> seeds;
    ~Clean() {
      for (const std::uint32_t v : wanted) pass.forget(v);
      for (const Seed& seed : seeds) pass.forget(seed.value);
      for (const std::uint32_t n : nodes) {
        const Node& node = pass.tape_.nodes[n];
        const std::uint32_t* inputs = pass.tape_.inputs_of(node);
        for (std::uint32_t k = 0; k < node.inputs; ++k) pass.forget(inputs[k]);
        for (std::uint32_t k = 0; k < node.outputs; ++k) pass.forget(node.first_output + k);
      }
      pass.covers_.resize(1);
      pass.passed_.clear();
      pass.rows_.clear();
      pass.recorded_.clear();
      pass.transposed_.clear();
    }
  } const clean{*this, nodes, wanted, seeds};

  for (const std::uint32_t v : wanted) {
    slots_[v].set(Slot::needed);
    slots_[v].set(Slot::wanted);
    if (is_view(v)) slots_[v].set(Slot::apart);
  }
  for (const std::uint32_t n : nodes) mark_node(tape_.nodes[n]);
  for (const Seed& seed : seeds) {
    Slot& s = slots_[seed.value];
    s.buffer = seed.gradient.header();
    retain(s.buffer);
    s.set(Slot::full);
    s.set(Slot::shared);
    if (is_view(seed.value)) s.set(Slot::apart);
  }
  for (const Seed& seed : begun) {
    Tensor own = empty_like(*seed.gradient.header());
    copy_elements(seed.gradient, own);
    slots_[seed.value].buffer = own.surrender();
    slots_[seed.value].set(Slot::full);
  }
  for (std::size_t i = nodes.size(); i-- > 0;) visit_node(nodes[i]);
  flush_all();
  std::vector<PassResult> results;
  results.reserve(wanted.size());
  for (const std::uint32_t v : wanted) results.push_back(take(v));
  return results;
}

}  // namespace unroll::detail
