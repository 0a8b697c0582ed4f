#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/loss_support.h>
#include <unroll/autograd/ops/losses.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>

#include <cmath>

namespace unroll {
namespace {

using detail::PositionWeights;

// Every formula selects by the weight, so that nothing of a position that does not count is left
// in the value or in the derivative.
constexpr auto squared = [](auto x, auto y, auto w) {
  return where(w != 0.0, w * square(x - y), 0.0);
};
constexpr auto absolute = [](auto x, auto y, auto w) {
  return where(w != 0.0, w * abs(x - y), 0.0);
};
constexpr auto huber_of = [](double delta) {
  return [delta](auto x, auto y, auto w) {
    auto d = x - y;
    auto loss = where(abs(d) <= delta, 0.5 * square(d), delta * (abs(d) - 0.5 * delta));
    return where(w != 0.0, w * loss, 0.0);
  };
};
// softplus(-x) and softplus(x) are log(1 + e^-|x|) and what of x is in either, so that one
// exponential does for both; all terms are at least 0, so that nothing cancels. At 0, |x| here has
// the derivative -1 of the branch that is taken there in all three.
constexpr auto binary = [](auto x, auto t, auto w, auto p) {
  auto rest = softplus(where(x > 0.0, -x, x));
  auto of_one = rest + where(x > 0.0, 0.0, -x);
  auto of_zero = rest + where(x > 0.0, x, 0.0);
  return where(w != 0.0, w * (p * t * of_one + (1.0 - t) * of_zero), 0.0);
};
constexpr auto hinge_of = [](double margin) {
  return [margin](auto x, auto t, auto w) {
    auto short_by = margin - t * x;
    return where(w != 0.0, w * where(short_by <= 0.0, 0.0, short_by), 0.0);  // NaN stays NaN
  };
};

// With each reduction, with and without weights.
template <class Options, class Loss>
void add_cases(Check& check, const std::vector<CheckInput>& inputs, const Options& like,
               const Loss& loss) {
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const bool is_weighted : {false, true}) {
      Options options = like;
      options.reduction = reduction;
      if (is_weighted) options.weights = tensor({0.5, 0.0, 2.0}, f64);
      check.cases.push_back(
          {.name = "reduction " + std::to_string(static_cast<int>(reduction)) +
                   (is_weighted ? ", weighted" : ""),
           .inputs = inputs,
           .call = [=](std::span<const Tensor> in) { return loss(in, options); }});
    }
}

template <class Options>
Check pair_check(Tensor (*loss)(const Tensor&, const Tensor&, const Options&),
                 const Options& options) {
  // Apart, so that no difference comes near a kink.
  Check check;
  add_cases(
      check, {{.shape = {2, 3}, .low = 0, .high = 0.8}, {.shape = {2, 3}, .low = -2, .high = -0.1}},
      options, [=](std::span<const Tensor> in, const Options& o) { return loss(in[0], in[1], o); });
  return check;
}

const Pointwise mse_op{{.name = "mse",
                        .check = [] { return pair_check<LossOptions>(mse, {}); },
                        .formula = "w (x - y)²; 0 where w = 0"},
                       squared};
const Pointwise mae_op{{.name = "mae",
                        .check = [] { return pair_check<LossOptions>(mae, {}); },
                        .formula = "w |x - y|; derivative 0 where x = y; 0 where w = 0"},
                       absolute};
const Pointwise huber_op{
    {.name = "huber",
     .check =
         [] {
           Check check = pair_check<HuberOptions>(huber, {.delta = 5});
           for (CheckCase& c : pair_check<HuberOptions>(huber, {.delta = 0.04}).cases)
             check.cases.push_back(std::move(c));
           return check;
         },
     .formula =
         "w d²/2 where |d| ≤ δ, else w δ (|d| - δ/2), derivative ±w δ at ±δ, the second w there; 0 "
         "where w = 0"},
    huber_of(1)};
const Pointwise binary_cross_entropy_op{
    {.name = "binary_cross_entropy",
     .check =
         [] {
           Check check;
           add_cases(check, {{.shape = {2, 3}}, {.shape = {2, 3}, .low = 0.1, .high = 0.9}},
                     BinaryCrossEntropyOptions{.positive_weight = tensor({1.5, 1.0, 0.5}, f64)},
                     [](std::span<const Tensor> in, const BinaryCrossEntropyOptions& o) {
                       return binary_cross_entropy(in[0], in[1], o);
                     });
           return check;
         },
     .formula = "w (p t softplus(-x) + (1 - t) softplus(x)); 0 where w = 0"},
    binary};
const Pointwise hinge_op{
    {.name = "hinge",
     .check =
         [] {
           Check check;
           add_cases(check, {{.shape = {2, 3}, .avoid = {-0.7, 0.7}}}, HingeOptions{.margin = 0.7},
                     [](std::span<const Tensor> in, const HingeOptions& o) {
                       return hinge(in[0], tensor({{1, -1, 1}, {-1, 1, -1}}), o);
                     });
           return check;
         },
     .formula = "w max(0, margin - t x); derivative 0 where t x = margin; 0 where w = 0"},
    hinge_of(1)};

void check_pair(const char* operation, const Tensor& x, const Tensor& y) {
  detail::require_floating(operation, "predictions", x);
  detail::require_floating(operation, "targets", y);
  detail::require_same_dtype(operation, x, y);
  detail::require_same_shape(operation, x, "targets", y);
}

template <class Options>
PositionWeights weights_of(const char* operation, const Tensor& x, const Options& options) {
  return detail::position_weights(operation, options.weights, x.shape(), x.dtype(),
                                  options.reduction);
}

}  // namespace

Tensor mse(const Tensor& predictions, const Tensor& targets, const LossOptions& options) {
  check_pair("mse", predictions, targets);
  const PositionWeights w = weights_of("mse", predictions, options);
  return detail::reduced(mse_op(predictions, targets, w.each), w, options.reduction);
}

Tensor mae(const Tensor& predictions, const Tensor& targets, const LossOptions& options) {
  check_pair("mae", predictions, targets);
  const PositionWeights w = weights_of("mae", predictions, options);
  return detail::reduced(mae_op(predictions, targets, w.each), w, options.reduction);
}

Tensor huber(const Tensor& predictions, const Tensor& targets, const HuberOptions& options) {
  check_pair("huber", predictions, targets);
  if (!(options.delta > 0))
    fail("huber", {.given = "delta " + std::to_string(options.delta),
                   .needed = "delta > 0",
                   .hint = "huber(x, y, {.delta = 1})"});
  const PositionWeights w = weights_of("huber", predictions, options);
  return detail::reduced(huber_op.with(huber_of(options.delta), predictions, targets, w.each), w,
                         options.reduction);
}

Tensor binary_cross_entropy(const Tensor& logits, const Tensor& targets,
                            const BinaryCrossEntropyOptions& options) {
  static constexpr const char* operation = "binary_cross_entropy";
  detail::require_floating(operation, "logits", logits);
  detail::require_defined(operation, "targets", targets);
  const bool are_classes = targets.dtype() == i64;
  if (!are_classes) detail::require_same_dtype(operation, logits, targets);
  detail::require_same_shape(operation, logits, "targets", targets);
  Tensor positive = full({}, 1, logits.dtype());
  if (options.positive_weight.defined()) {
    Shape both;
    if (!broadcast(options.positive_weight.shape(), logits.shape(), both) || both != logits.shape())
      fail(operation, {.given = "positive_weight " + describe(options.positive_weight) +
                                " for logits " + describe(logits),
                       .needed = "a positive_weight that broadcasts to them",
                       .hint = {}});
    detail::require_constant(operation, "positive_weight", options.positive_weight,
                             "detach(positive_weight)");
    positive = detail::dense_copy(detach(options.positive_weight).to(logits.dtype()));
    visit_floating(positive.dtype(), [&]<class T>(T) {
      for (Index i = 0; i < positive.size(); ++i)
        if (const T p = detail::data<T>(positive)[i]; !(p >= 0) || !std::isfinite(p))
          fail(operation, {.given = "positive_weight " + std::to_string(p) + " at " +
                                    detail::index_text(i, positive.shape()),
                           .needed = "finite numbers, none below 0",
                           .hint = {}});
    });
  }
  const PositionWeights w = weights_of(operation, logits, options);
  const Tensor t =
      are_classes ? detail::two_classes(operation, targets, 0, 1, logits.dtype(), w) : targets;
  return detail::reduced(binary_cross_entropy_op(logits, t, w.each, positive), w,
                         options.reduction);
}

Tensor hinge(const Tensor& scores, const Tensor& targets, const HingeOptions& options) {
  detail::require_floating("hinge", "scores", scores);
  detail::require_defined("hinge", "targets", targets);
  if (targets.dtype() != i64)
    fail("hinge", {.given = "targets " + describe(targets),
                   .needed = "-1 and 1 in i64",
                   .hint = "targets.to(i64)"});
  detail::require_same_shape("hinge", scores, "targets", targets);
  const PositionWeights w = weights_of("hinge", scores, options);
  const Tensor t = detail::two_classes("hinge", targets, -1, 1, scores.dtype(), w);
  return detail::reduced(hinge_op.with(hinge_of(options.margin), scores, t, w.each), w,
                         options.reduction);
}

}  // namespace unroll
