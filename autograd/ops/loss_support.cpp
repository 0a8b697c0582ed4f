#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/loss_support.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>

#include <array>
#include <cmath>

namespace unroll::detail {
namespace {

constexpr auto where_counted = [](auto x, auto weight) { return where(weight != 0.0, x, 0.0); };

// Linear in x and its own derivative.
const RegisteredOperation counted_op{
    {.name = "counted",
     .derivative =
         [](Backward& b) {
           if (const Tensor dy = b.upstream(); dy.defined()) b.add(0, counted(dy, b.saved(0)));
         },
     .check =
         [] {
           Check check;
           for (const Shape& shape : {Shape{2, 3}, Shape{3}, Shape{2, 1}, Shape{}})
             check.cases.push_back(
                 {.name = "weights " + to_string(shape),
                  .inputs = {{.shape = {2, 3}}},
                  .call = [=](std::span<const Tensor> in) {
                    static constexpr std::array weights{1.0, 0.0, 2.0, 0.0, 3.0, 1.0};
                    const auto size = static_cast<std::size_t>(shape.size());
                    return counted(in[0],
                                   from(std::span(weights).first(size), shape).to(in[0].dtype()));
                  }});
           return check;
         },
     .formula = "weight ≠ 0 ? x : 0; dx = weight ≠ 0 ? dy : 0"}};

}  // namespace

void require_constant(const char* operation, std::string_view name, const Tensor& x,
                      std::string_view hint) {
  if (is_recording(operation, std::array{&x}))
    fail(operation, {.given = std::string(name) + " " + describe(x) + " with a history",
                     .needed = "constants",
                     .hint = std::string(hint)});
}

void require_same_shape(const char* operation, const Tensor& x, std::string_view target_name,
                        const Tensor& target) {
  if (x.shape() != target.shape())
    fail(operation,
         {.given = describe(x) + " and " + std::string(target_name) + " " + describe(target),
          .needed = "one shape",
          .hint = "a loss does not broadcast; reshape or expand one of them"});
}

PositionWeights position_weights(const char* operation, const Tensor& weights, const Shape& losses,
                                 DType dtype, Reduction reduction) {
  const double positions = static_cast<double>(losses.size());
  if (!weights.defined()) return {.each = full({}, 1, dtype), .total = positions};
  Shape both;
  if (!broadcast(weights.shape(), losses, both) || both != losses)
    fail(operation,
         {.given = "weights " + describe(weights) + " for losses of shape " + to_string(losses),
          .needed = "weights that broadcast to it",
          .hint = {}});
  require_constant(operation, "weights", weights,
                   "detach(weights), or multiply the losses of {.reduction = Reduction::none}");
  const Tensor each = dense_copy(detach(weights).to(dtype));
  double sum = 0;
  visit_floating(dtype, [&]<class T>(T) {
    for (Index i = 0; i < each.size(); ++i) {
      const T w = data<T>(each)[i];
      if (!std::isfinite(w) || (w < 0 && reduction == Reduction::mean))
        fail(operation,
             {.given = "weight " + std::to_string(w) + " at " + index_text(i, each.shape()),
              .needed = "finite weights, in a mean none below 0",
              .hint = {}});
      sum += static_cast<double>(w);
    }
  });
  const double repeats = each.size() == 0 ? 0 : positions / static_cast<double>(each.size());
  return {.each = each, .total = sum * repeats, .given = true};
}

Tensor counted(const Tensor& x, const Tensor& weights) {
  const Tensor y = pointwise<0>(where_counted, detach(x), weights);
  return record(counted_op, {&x}, y, {&weights});
}

Tensor reduced(const Tensor& losses, const PositionWeights& weights, Reduction reduction) {
  if (reduction == Reduction::none) return weights.given ? counted(losses, weights.each) : losses;
  if (reduction == Reduction::sum) return sum(losses);
  if (!weights.given && losses.size() > 0) return mean(losses);
  return sum(losses) * (weights.total == 0 ? 0 : 1 / weights.total);
}

Tensor weighted_and_reduced(const Tensor& losses, const PositionWeights& weights,
                            Reduction reduction) {
  if (!weights.given) return reduced(losses, weights, reduction);
  return reduced(counted(losses, weights.each) * weights.each, weights, reduction);
}

Tensor two_classes(const char* operation, const Tensor& targets, Index low, Index high, DType dtype,
                   const PositionWeights& weights) {
  const Tensor given = dense_copy(targets);
  const Tensor counts =
      weights.given ? dense_copy(expand(weights.each, targets.shape())) : Tensor{};
  Tensor made = empty(targets.shape(), dtype);
  visit_floating(dtype, [&]<class T>(T) {
    for (Index i = 0; i < made.size(); ++i) {
      const Index target = data<Index>(given)[i];
      const bool takes_part = !weights.given || data<T>(counts)[i] != T(0);
      if (takes_part && target != low && target != high)
        fail(operation,
             {.given = "target " + std::to_string(target) + " at " + index_text(i, targets.shape()),
              .needed = std::to_string(low) + " or " + std::to_string(high),
              .hint = low < 0 ? "targets of 0 and 1 become -1 and 1 when they are made" : ""});
      data<T>(made)[i] = takes_part ? static_cast<T>(target) : T(0);
    }
  });
  return made;
}

Tensor as_column(const Tensor& x) { return reshape(x, x.shape().inserted(x.rank(), 1)); }

}  // namespace unroll::detail
