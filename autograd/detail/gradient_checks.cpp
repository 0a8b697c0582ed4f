// What a backward pass does more under Tape({.check_finite = true}).
#include <unroll/autograd/detail/check_finite.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/matrix_product.h>

#include <utility>

namespace unroll::detail {

namespace {

// While a derivative is recorded, what it makes is checked as its own.
class Differentiating {
 public:
  Differentiating(Recording& tape, std::uint32_t node)
      : tape_(tape), before_(std::exchange(tape.differentiated, node)) {}
  ~Differentiating() { tape_.differentiated = before_; }
  Differentiating(const Differentiating&) = delete;
  Differentiating& operator=(const Differentiating&) = delete;

 private:
  Recording& tape_;
  std::uint32_t before_;
};

}  // namespace

// The part of a value's gradient that is there and that a rule which adds to it can have changed;
// undefined where nothing is.
Tensor GradientPass::gradient_so_far(std::uint32_t value) {
  Region region;
  if (find_region(value, region)) {
    const Slot& root = slots_[region.root];
    if (root.buffer == nullptr) return {};
    const Rectangle& q = region.place;
    bool there = root.is(Slot::full);
    if (!there && root.cover != 0)
      for (const Rectangle& r : covers_[root.cover])
        there = there || (r.row_begin <= q.row_begin && q.row_end <= r.row_end &&
                          r.column_begin <= q.column_begin && q.column_end <= r.column_end);
    return there ? region_of_buffer(region) : Tensor{};
  }
  const Slot& s = slots_[value];
  if (s.buffer == nullptr || !s.is(Slot::full)) return {};
  retain(s.buffer);
  return Tensor::adopt(s.buffer);
}

void GradientPass::run_checked_rule(const Node& node, std::uint32_t index) {
  Backward rule(*this, node);
  {
    const Differentiating guard(tape_, index);
    node.operation->derivative(rule);
  }
  std::vector<Tensor> upstream;
  for (std::uint32_t k = 0; k < node.outputs; ++k)
    upstream.push_back(rule.upstream(static_cast<Index>(k)));
  for (std::uint32_t k = 0; k < node.inputs; ++k) {
    const std::uint32_t value = tape_.inputs_of(node)[k];
    if (!needs(value)) continue;
    if (slots_[value].is(Slot::sparse))
      if (const auto found = rows_.find(value); found != rows_.end() && !found->second.empty())
        check_gradient_rows(tape_, node, k, found->second.back().ids, found->second.back().rows);
    if (const Tensor g = gradient_so_far(value); g.defined())
      check_gradient(tape_, node, k, upstream, g);
  }
}

// The products were taken together: the one to blame is looked for when the sum is not finite.
void GradientPass::check_products(std::uint32_t value, std::span<const Product> list,
                                  const Tensor& sum) {
  if (all_finite(sum)) return;
  for (std::size_t i = list.size(); i-- > 0;) {  // the last step came first in the pass
    const Product& p = list[i];
    const Tensor alone = empty(tape_.shape_of(value), sum.dtype());
    Tensor hold, hold_a, hold_g;
    multiply(sum.dtype(), as_matrix(p.a, hold_a).transposed(), as_matrix(p.g, hold_g), false,
             as_matrix(alone, hold));
    const Node& node = tape_.nodes[p.node];
    const std::uint32_t* inputs = tape_.inputs_of(node);
    std::uint32_t k = 0;
    while (k + 1 < node.inputs && inputs[k] != value) ++k;
    check_gradient(tape_, node, k, {&p.g, 1}, alone, options_.retain ? Tensor{} : p.a);
  }
  check_sum(tape_, value, sum);
}

}  // namespace unroll::detail
