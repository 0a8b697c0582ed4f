#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/class_targets.h>
#include <unroll/autograd/ops/loss_support.h>
#include <unroll/autograd/ops/views.h>

#include <cmath>
#include <numeric>

namespace unroll::detail {
namespace {

[[noreturn]] void fail_target(const char* operation, Index target, const std::string& place,
                              Index classes, Index ignore_index) {
  const std::string ignored = "ignore_index (" + std::to_string(ignore_index) + ")";
  fail(operation,
       {.given = "target " + std::to_string(target) + " at " + place,
        .needed = (classes > 0 ? "0 … " + std::to_string(classes - 1) + " or " : "") + ignored,
        .hint = "logits have " + std::to_string(classes) +
                " classes; is the vocabulary of the data that of the model?"});
}

}  // namespace

Tensor checked_class_weights(const char* operation, const Tensor& weights, const Tensor& x) {
  if (!weights.defined()) return {};
  if (!is_floating(weights.dtype()) || weights.shape() != Shape{x.size(-1)})
    fail(operation, {.given = "class_weights " + describe(weights) + " for logits " + describe(x),
                     .needed = "f32 or f64 [" + std::to_string(x.size(-1)) + "]",
                     .hint = {}});
  require_constant(operation, "class_weights", weights, "detach(class_weights)");
  Tensor dense = dense_copy(detach(weights).to(f64));
  for (Index i = 0; i < dense.size(); ++i)
    if (const double w = data<double>(dense)[i]; !(w >= 0) || !std::isfinite(w))
      fail(operation,
           {.given = "class weight " + std::to_string(w) + " at " + index_text(i, dense.shape()),
            .needed = "finite weights, none below 0",
            .hint = {}});
  return dense;
}

ClassTargets class_targets(const char* operation, const Tensor& x, const Tensor& targets,
                           const CrossEntropyOptions& options) {
  const Index classes = x.size(-1);
  ClassTargets t{.ids = dense_copy(targets),
                 .class_weights = checked_class_weights(operation, options.class_weights, x)};
  const PositionWeights positions =
      position_weights(operation, options.weights, targets.shape(), f64, options.reduction);
  t.hit = empty(targets.shape(), f64);
  const bool smooth = options.label_smoothing > 0;
  if (smooth) t.spread = empty(targets.shape(), f64);
  const double* const of_class =
      t.class_weights.defined() ? data<double>(t.class_weights) : nullptr;
  if (smooth)
    t.total_class_weight = of_class == nullptr ? static_cast<double>(classes)
                                               : std::accumulate(of_class, of_class + classes, 0.0);

  const Tensor each =
      positions.given ? dense_copy(expand(positions.each, targets.shape())) : Tensor{};
  const Index* const ids = data<Index>(t.ids);
  double* const hit = data<double>(t.hit);
  double total = 0;
  for (Index i = 0; i < targets.size(); ++i) {
    const double weight = ids[i] == options.ignore_index ? 0.0
                          : positions.given              ? data<double>(each)[i]
                                                         : 1.0;
    if (weight != 0 && (ids[i] < 0 || ids[i] >= classes))
      fail_target(operation, ids[i], index_text(i, targets.shape()), classes, options.ignore_index);
    const double full = weight == 0 || of_class == nullptr ? weight : weight * of_class[ids[i]];
    total += full;
    hit[i] = (1 - options.label_smoothing) * full;
    if (smooth)
      data<double>(t.spread)[i] = options.label_smoothing / static_cast<double>(classes) * weight;
  }
  if (options.reduction != Reduction::mean) return t;
  for (Index i = 0; i < targets.size(); ++i) {
    hit[i] = total == 0 ? 0.0 : hit[i] / total;
    if (smooth) data<double>(t.spread)[i] = total == 0 ? 0.0 : data<double>(t.spread)[i] / total;
  }
  return t;
}

Tensor target_positions(const Tensor& ids, const Tensor& factor, Index classes) {
  Tensor at = empty(ids.shape(), i64);
  for (Index i = 0; i < ids.size(); ++i)
    data<Index>(at)[i] = i * classes + (data<double>(factor)[i] == 0 ? 0 : data<Index>(ids)[i]);
  return at;
}

Tensor reduced_rows(std::span<const double> losses, const Shape& shape, DType dtype,
                    Reduction reduction) {
  const bool per_row = reduction == Reduction::none;
  Tensor y = empty(per_row ? shape : Shape{}, dtype);
  visit_floating(dtype, [&]<class T>(T) {
    if (per_row)
      for (std::size_t i = 0; i < losses.size(); ++i) data<T>(y)[i] = static_cast<T>(losses[i]);
    else
      *data<T>(y) = static_cast<T>(std::accumulate(losses.begin(), losses.end(), 0.0));
  });
  return y;
}

}  // namespace unroll::detail
