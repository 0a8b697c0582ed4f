#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/class_targets.h>
#include <unroll/autograd/ops/cross_entropy_soft.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/ops/loss_support.h>
#include <unroll/autograd/ops/softmax.h>
#include <unroll/autograd/ops/softmax_rows.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/autograd/simd/packet.h>

#include <algorithm>
#include <cmath>
#include <limits>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/cross_entropy_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll {
namespace {

using detail::ClassTargets;
using detail::data;

// Saved beside the logits: targets, the factors of ClassTargets and the two parts of each row's
// log-sum (f64 [rows, 2]); with smoothing also the rest of ClassTargets.
enum Saved : Index { saved_logits, saved_ids, saved_hit, saved_sums, saved_spread, saved_weights };

struct Attributes {
  bool per_row;  // the upstream gradient has one element a row, not one for all
  bool smooth;
  bool class_weights;
  double total_class_weight;
};

Index rows_of_task(Index classes) { return std::max<Index>(1, 8192 / std::max<Index>(1, classes)); }

constexpr auto product_where_counted = [](auto dy, auto factor) {
  return where(factor != 0.0, dy * factor, 0.0);
};

// dx = dy ((hit + spread Σ w) softmax(x) - hit onehot(target) - spread w)
void recorded_derivative(Backward& b, const Tensor& dy) {
  const Tensor logits = b.saved(saved_logits);
  const Tensor hit = b.saved(saved_hit);
  const auto& a = b.attributes<Attributes>();
  if (logits.size() == 0) {
    b.add(0, zeros_like(logits));
    return;
  }
  const Tensor factor = hit.to(logits.dtype());
  const Tensor row = pointwise(product_where_counted, dy, factor);  // also where dy is one number
  const Tensor hits = scatter_flat(
      row, detail::target_positions(b.saved(saved_ids), hit, logits.size(-1)), logits.shape());
  if (!a.smooth) {
    const Tensor x = detail::counted(logits, detail::as_column(factor));
    b.add(0, softmax(x) * detail::as_column(row) - hits);
    return;
  }
  const Tensor spread = b.saved(saved_spread).to(logits.dtype());
  const Tensor spread_row = pointwise(product_where_counted, dy, spread);
  const Tensor x = detail::counted(logits, detail::as_column(spread));
  const Tensor of_class = a.class_weights
                              ? detail::as_column(spread_row) * b.saved(saved_weights).to(x.dtype())
                              : detail::as_column(spread_row);
  b.add(0,
        softmax(x) * detail::as_column(row + spread_row * a.total_class_weight) - hits - of_class);
}

// One row of the same in place. The division by Σ eˣ is a factor, not part of the exponent: rounded
// to f32 there, it would be off by the same 4e-7 in every class.
template <class T>
void write_row(const T* x, Index classes, const double* sums, double hit, double spread,
               const Attributes& a, const double* class_weights, Index target, bool accumulate,
               T* to) {
  const auto& rows = detail::softmax_rows<T>();
  const double all = hit + spread * a.total_class_weight;
  (accumulate ? rows.add_exp : rows.exp)(x, classes, static_cast<T>(sums[0]), T(0),
                                         static_cast<T>(all * std::exp(-sums[1])), to);
  if (hit != 0) to[target] -= static_cast<T>(hit);
  if (!a.smooth) return;
  for (Index c = 0; c < classes; ++c)
    to[c] -= static_cast<T>(class_weights == nullptr ? spread : spread * class_weights[c]);
}

void cross_entropy_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined() || !b.needs(0)) return;
  if (b.differentiable()) {
    recorded_derivative(b, dy);
    return;
  }
  const auto& a = b.attributes<Attributes>();
  const Tensor x = detail::dense_copy(b.saved(saved_logits));
  const Tensor g = detail::dense_copy(dy);
  const Tensor ids = b.saved(saved_ids);
  const Tensor hits = b.saved(saved_hit);
  const Tensor sums = b.saved(saved_sums);
  const Tensor spreads = a.smooth ? b.saved(saved_spread) : Tensor{};
  const Tensor weights = a.class_weights ? b.saved(saved_weights) : Tensor{};
  const double* const of_class = weights.defined() ? data<double>(weights) : nullptr;
  const Index classes = x.size(-1);
  const detail::Destination to = b.destination(0);
  Tensor hold;
  const detail::Matrix out = detail::as_matrix(to.buffer, hold);
  visit_floating(x.dtype(), [&]<class T>(T) {
    detail::parallel_for(out.rows, rows_of_task(classes), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        T* const row = reinterpret_cast<T*>(out.data) + i * out.row_stride;
        const double hit = data<double>(hits)[i];
        const double spread = a.smooth ? data<double>(spreads)[i] : 0.0;
        if (hit == 0 && spread == 0) {
          if (!to.accumulate) std::fill_n(row, classes, T(0));
          continue;
        }
        const double upstream = static_cast<double>(data<T>(g)[a.per_row ? i : 0]);
        write_row(data<T>(x) + i * classes, classes, data<double>(sums) + 2 * i, hit * upstream,
                  spread * upstream, a, of_class, data<Index>(ids)[i], to.accumulate, row);
      }
    });
  });
}

Check cross_entropy_check() {
  Check check;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const double smoothing : {0.0, 0.3})
      for (const bool is_weighted : {true, false})
        check.cases.push_back(
            {.name = "reduction " + std::to_string(static_cast<int>(reduction)) + ", smoothing " +
                     std::to_string(smoothing) + (is_weighted ? ", weighted" : ""),
             .inputs = {{.shape = {2, 3, 5}}, {.shape = {2, 3}, .ids = 5}},
             .call = [=](std::span<const Tensor> in) {
               CrossEntropyOptions options{
                   .ignore_index = 2, .label_smoothing = smoothing, .reduction = reduction};
               if (is_weighted) {
                 options.class_weights = tensor({1.0, 0.5, 2.0, 0.25, 1.5}, f64);
                 options.weights = tensor({1.0, 0.0, 0.5});
               }
               return cross_entropy(in[0], in[1], options);
             }});
  return check;
}

const RegisteredOperation cross_entropy_op{
    {.name = "cross_entropy",
     .derivative = cross_entropy_derivative,
     .check = cross_entropy_check,
     .formula = "-log softmax(x)[target]; dx = dy (softmax(x) - onehot); 0 where ignored"}};

// Σ w (log Σ eˣ - x), over classes that weigh something.
template <class T>
double spread_loss(const T* x, Index classes, const detail::LogSum& s, const double* weights) {
  if (weights == nullptr) {
    const auto sum = simd::dispatch(simd::baseline::row_sum<T>, simd::avx2::row_sum<T>,
                                    simd::avx512::row_sum<T>);
    return static_cast<double>(classes) * s.log_sum - sum(x, classes, s.shift);
  }
  double sum = 0;
  for (Index c = 0; c < classes; ++c)
    if (weights[c] != 0) sum += weights[c] * (s.log_sum - (static_cast<double>(x[c]) - s.shift));
  return sum;
}

// The loss of each row that counts. A row that is all -inf gives inf and loses its factors, so that
// nothing flows back.
template <class T>
void rows_forward(const Tensor& x, ClassTargets& t, const Tensor& sums,
                  std::vector<double>& losses) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Index classes = x.size(-1);
  const double* const weights = t.class_weights.defined() ? data<double>(t.class_weights) : nullptr;
  double* const spread = t.spread.defined() ? data<double>(t.spread) : nullptr;
  detail::parallel_for(t.ids.size(), rows_of_task(classes), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      double& hit = data<double>(t.hit)[i];
      if (hit == 0 && (spread == nullptr || spread[i] == 0)) continue;
      const T* const row = data<T>(x) + i * classes;
      const detail::LogSum s = detail::log_sum_of(row, classes);
      data<double>(sums)[2 * i] = s.shift;
      data<double>(sums)[2 * i + 1] = s.log_sum;
      double& loss = losses[static_cast<std::size_t>(i)];
      if (s.log_sum == -infinity) {
        loss = infinity;
        hit = 0;
        if (spread != nullptr) spread[i] = 0;
        continue;
      }
      if (hit != 0)
        loss = hit * (s.log_sum - (static_cast<double>(row[data<Index>(t.ids)[i]]) - s.shift));
      if (spread != nullptr) loss += spread[i] * spread_loss(row, classes, s, weights);
    }
  });
}

void check_operands(const Tensor& logits, const Tensor& targets,
                    const CrossEntropyOptions& options) {
  detail::require_floating("cross_entropy", "logits", logits);
  detail::require_defined("cross_entropy", "targets", targets);
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    fail("cross_entropy", {.given = "label_smoothing " + std::to_string(options.label_smoothing),
                           .needed = "0 … 1",
                           .hint = {}});
  const bool probabilities = targets.dtype() == logits.dtype();
  if (logits.rank() < 1 || (targets.dtype() != i64 && !probabilities) ||
      targets.shape() != (probabilities ? logits.shape() : logits.shape().without(-1)))
    fail("cross_entropy",
         {.given = "logits " + describe(logits) + " and targets " + describe(targets),
          .needed = "logits [..., V] and targets [...] in i64, or probabilities like the logits",
          .hint = {}});
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options) {
  check_operands(logits, targets, options);
  if (targets.dtype() != i64)
    return detail::cross_entropy_of_probabilities(logits, targets, options);
  ClassTargets t = detail::class_targets("cross_entropy", logits, targets, options);
  const Tensor x = detail::dense_copy(logits);
  const Tensor sums = detail::empty({t.ids.size(), 2}, f64);
  std::vector<double> losses(static_cast<std::size_t>(t.ids.size()), 0.0);
  visit_floating(x.dtype(), [&]<class T>(T) { rows_forward<T>(x, t, sums, losses); });
  const Tensor loss =
      detail::reduced_rows(losses, targets.shape(), logits.dtype(), options.reduction);
  const Attributes a{.per_row = options.reduction == Reduction::none,
                     .smooth = t.spread.defined(),
                     .class_weights = t.spread.defined() && t.class_weights.defined(),
                     .total_class_weight = t.total_class_weight};
  if (!a.smooth)
    return detail::record(cross_entropy_op, {&logits}, loss, {&logits, &t.ids, &t.hit, &sums}, a);
  return detail::record(
      cross_entropy_op, {&logits}, loss,
      {&logits, &t.ids, &t.hit, &sums, &t.spread, a.class_weights ? &t.class_weights : &t.spread},
      a);
}

}  // namespace unroll
