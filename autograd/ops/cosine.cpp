#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/cosine.h>
#include <unroll/autograd/ops/loss_support.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>

namespace unroll {
namespace {

// From x·y, |x|² and |y|². The root of what is not used is that of 1, whose derivative is finite.
constexpr auto cosine_of = [](double epsilon) {
  return [epsilon](auto xy, auto xx, auto yy) {
    auto norms = sqrt(where(xx == 0.0, 1.0, xx)) * sqrt(where(yy == 0.0, 1.0, yy));
    auto ratio = xy / where(norms <= epsilon, epsilon, norms);
    auto defined = where(xx == 0.0, 0.0, where(yy == 0.0, 0.0, ratio));
    return where(xy == xy, defined, xy);  // NaN stays NaN
  };
};
constexpr auto embedding_of = [](double margin) {
  return [margin](auto c, auto t, auto w) {
    auto apart = where(c <= margin, 0.0, c - margin);
    return where(w != 0.0, w * where(t > 0.0, 1.0 - c, apart), 0.0);
  };
};

const Pointwise cosine_op{
    {.name = "cosine_similarity",
     .check =
         [] {
           Check check;
           for (const Index axis : {-1, 0, 1})
             check.cases.push_back(
                 {.name = "axis " + std::to_string(axis),
                  .inputs = {{.shape = {2, 3, 4}, .low = 0.5}, {.shape = {2, 3, 4}, .high = -0.5}},
                  .call = [=](std::span<const Tensor> in) {
                    return cosine_similarity(in[0], in[1], {.axis = axis});
                  }});
           check.cases.push_back({.name = "short vectors",
                                  .inputs = {{.shape = {3, 2}}, {.shape = {3, 2}}},
                                  .call = [](std::span<const Tensor> in) {
                                    return cosine_similarity(in[0], in[1], {.epsilon = 20});
                                  }});
           return check;
         },
     .formula =
         "x·y / max(|x| |y|, ε); 0 with derivative 0 where x or y is 0; where |x| |y| = ε, ε is "
         "divided by"},
    cosine_of(1e-8)};
const Pointwise cosine_embedding_op{
    {.name = "cosine_embedding",
     .check =
         [] {
           Check check;
           for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
             for (const bool is_weighted : {false, true})
               check.cases.push_back(
                   {.name = "reduction " + std::to_string(static_cast<int>(reduction)) +
                            (is_weighted ? ", weighted" : ""),
                    .inputs = {{.shape = {4, 3}, .low = 0.2, .high = 2},
                               {.shape = {4, 3}, .low = 0.2, .high = 2}},
                    .call = [=](std::span<const Tensor> in) {
                      return cosine_embedding(
                          in[0], in[1], tensor({1, -1, -1, 1}),
                          {.margin = 0.1,
                           .weights = is_weighted ? tensor({0.5, 0.0, 2.0, 1.0}, f64) : Tensor{},
                           .reduction = reduction});
                    }});
           return check;
         },
     .formula = "w (t = 1 ? 1 - c : max(0, c - margin)); derivative 0 where c = margin"},
    embedding_of(0)};

// The axis of the vectors, counted from the front.
Index checked_axis(const char* operation, const Tensor& x, const Tensor& y, Index axis,
                   double epsilon) {
  detail::require_floating(operation, "x", x);
  detail::require_floating(operation, "y", y);
  detail::require_same_dtype(operation, x, y);
  detail::require_same_shape(operation, x, "y", y);
  if (!(epsilon >= 0))
    fail(operation,
         {.given = "epsilon " + std::to_string(epsilon), .needed = "epsilon >= 0", .hint = {}});
  return normalize_axis(operation, axis, x.rank());
}

}  // namespace

Tensor cosine_similarity(const Tensor& x, const Tensor& y, const CosineOptions& options) {
  const Index axis = checked_axis("cosine_similarity", x, y, options.axis, options.epsilon);
  return cosine_op.with(cosine_of(options.epsilon), sum(x * y, axis), sum(x * x, axis),
                        sum(y * y, axis));
}

Tensor cosine_embedding(const Tensor& x, const Tensor& y, const Tensor& targets,
                        const CosineEmbeddingOptions& options) {
  static constexpr const char* operation = "cosine_embedding";
  const Index axis = checked_axis(operation, x, y, options.axis, options.epsilon);
  detail::require_defined(operation, "targets", targets);
  const Shape pairs = x.shape().without(axis);
  if (targets.dtype() != i64 || targets.shape() != pairs)
    fail(operation, {.given = "targets " + describe(targets) + " for " + describe(x),
                     .needed = "i64 " + to_string(pairs),
                     .hint = {}});
  const detail::PositionWeights w =
      detail::position_weights(operation, options.weights, pairs, x.dtype(), options.reduction);
  const auto keep = [&](const Tensor& v) {
    if (!w.given) return v;
    const Tensor each = expand(w.each, pairs);
    return detail::counted(v, reshape(each, pairs.inserted(axis, 1)));
  };
  const Tensor t = detail::two_classes(operation, targets, -1, 1, x.dtype(), w);
  const Tensor c = cosine_similarity(keep(x), keep(y), {.axis = axis, .epsilon = options.epsilon});
  return detail::reduced(cosine_embedding_op.with(embedding_of(options.margin), c, t, w.each), w,
                         options.reduction);
}

}  // namespace unroll
