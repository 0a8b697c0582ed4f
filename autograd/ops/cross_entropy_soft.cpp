#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/class_targets.h>
#include <unroll/autograd/ops/cross_entropy_soft.h>
#include <unroll/autograd/ops/loss_support.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/softmax.h>
#include <unroll/autograd/pointwise.h>

#include <limits>

namespace unroll {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// What class c adds, from log p[c] and its target; 0 where both probabilities are 0.
constexpr auto class_term = [](double keep, double even) {
  return [keep, even](auto log_p, auto t, auto class_weight) {
    auto q = class_weight * (keep * t + even);
    return where(q == 0.0, where(log_p == -infinity, 0.0, -q * log_p), -q * log_p);
  };
};
constexpr auto divergence_term = [](auto log_p, auto log_t) {
  return where(log_t == -infinity, 0.0, exp(log_t) * (log_t - log_p));
};

template <class Options, class Loss>
Check pair_check(const std::vector<CheckInput>& inputs, const Options& like, const Loss& loss) {
  Check check;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const bool is_weighted : {false, true}) {
      Options options = like;
      options.reduction = reduction;
      if (is_weighted) options.weights = tensor({0.5, 0.0, 2.0}, f64);
      check.cases.push_back(
          {.name = "reduction " + std::to_string(static_cast<int>(reduction)) +
                   (is_weighted ? ", weighted" : ""),
           .inputs = inputs,
           .call = [=](std::span<const Tensor> in) { return loss(in[0], in[1], options); }});
    }
  return check;
}

const Pointwise soft_op{
    {.name = "cross_entropy_term",
     .check =
         [] {
           return pair_check(
               {{.shape = {2, 3, 4}}, {.shape = {2, 3, 4}, .low = 0.1, .high = 0.9}},
               CrossEntropyOptions{.class_weights = tensor({1.0, 0.5, 2.0, 0.25}, f64),
                                   .label_smoothing = 0.2},
               cross_entropy);
         },
     .formula = "-w ((1 - ε) t + ε/V) log p; 0 where both are 0"},
    class_term(1, 0)};
const Pointwise divergence_op{{.name = "kl_divergence",
                               .check =
                                   [] {
                                     return pair_check({{.shape = {2, 3, 4}}, {.shape = {2, 3, 4}}},
                                                       LossOptions{}, kl_divergence);
                                   },
                               .formula = "t (log t - log p); 0 where t = 0"},
                              divergence_term};

// Rows that do not count become zeros: they may hold anything.
Tensor counted_rows(const Tensor& x, const detail::PositionWeights& w) {
  return w.given ? detail::counted(x, detail::as_column(w.each)) : x;
}

}  // namespace

namespace detail {

Tensor cross_entropy_of_probabilities(const Tensor& logits, const Tensor& probabilities,
                                      const CrossEntropyOptions& options) {
  static constexpr const char* operation = "cross_entropy";
  const Tensor class_weights = checked_class_weights(operation, options.class_weights, logits);
  const PositionWeights w = position_weights(operation, options.weights, logits.shape().without(-1),
                                             logits.dtype(), options.reduction);
  const double even =
      logits.size(-1) == 0 ? 0 : options.label_smoothing / static_cast<double>(logits.size(-1));
  const Tensor terms = soft_op.with(
      class_term(1 - options.label_smoothing, even), log_softmax(counted_rows(logits, w)),
      counted_rows(probabilities, w),
      class_weights.defined() ? class_weights.to(logits.dtype()) : full({}, 1, logits.dtype()));
  return weighted_and_reduced(sum(terms, -1), w, options.reduction);
}

}  // namespace detail

Tensor kl_divergence(const Tensor& logits, const Tensor& target_logits,
                     const LossOptions& options) {
  static constexpr const char* operation = "kl_divergence";
  detail::require_floating(operation, "logits", logits);
  detail::require_floating(operation, "target_logits", target_logits);
  detail::require_same_dtype(operation, logits, target_logits);
  detail::require_same_shape(operation, logits, "target_logits", target_logits);
  if (logits.rank() < 1)
    fail(operation,
         {.given = "logits " + describe(logits), .needed = "logits [..., V]", .hint = {}});
  const detail::PositionWeights w = detail::position_weights(
      operation, options.weights, logits.shape().without(-1), logits.dtype(), options.reduction);
  const Tensor terms = divergence_op(log_softmax(counted_rows(logits, w)),
                                     log_softmax(counted_rows(target_logits, w)));
  return detail::weighted_and_reduced(sum(terms, -1), w, options.reduction);
}

}  // namespace unroll
