#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/cross_entropy.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/ops/softmax.h>
#include <unroll/autograd/ops/softmax_rows.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/pointwise.h>

#include <cmath>

namespace unroll {
namespace {

// Saved beside the logits: targets, what each target's loss is multiplied with, and the two parts
// of each row's log-sum (f64 [rows, 2]).
enum Saved : Index { saved_logits, saved_targets, saved_factors, saved_sums };

struct PerRow {
  bool per_row;  // the upstream gradient has one element a row, not one for all
};

// Positions of the targets in the logits, an ignored one at 0.
Tensor target_positions(const Tensor& targets, const Tensor& factors, Index classes) {
  Tensor at = detail::empty(targets.shape(), i64);
  const auto list = targets.span<Index>();
  for (std::size_t i = 0; i < list.size(); ++i)
    detail::data<Index>(at)[i] =
        static_cast<Index>(i) * classes + (factors.span<double>()[i] == 0 ? 0 : list[i]);
  return at;
}

// A row that does not count may hold anything, also NaN.
constexpr auto what_counts = [](auto x, auto factor) { return where(factor != 0.0, x, 0.0); };

// dx = factor · dy · (softmax(x) - onehot(target))
void cross_entropy_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined() || !b.needs(0)) return;
  const Tensor logits = b.saved(saved_logits);
  const Tensor targets = b.saved(saved_targets);
  const Tensor factors = b.saved(saved_factors);
  const Index classes = logits.size(-1);
  const bool per_row = b.attributes<PerRow>().per_row;
  if (b.differentiable()) {
    const Tensor factor = factors.to(logits.dtype());  // [...]
    const Tensor row = dy * factor;
    const auto column = [](const Tensor& x) { return reshape(x, x.shape().inserted(x.rank(), 1)); };
    const Tensor hits =
        scatter_flat(row, target_positions(targets, factors, classes), logits.shape());
    b.add(0, softmax(pointwise(what_counts, logits, column(factor))) * column(row) - hits);
    return;
  }
  const Tensor x = detail::dense_copy(logits);
  const Tensor g = detail::dense_copy(dy);
  const Tensor sums = b.saved(saved_sums);
  const detail::Destination to = b.destination(0);
  Tensor hold;
  const detail::Matrix out = detail::as_matrix(to.buffer, hold);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const auto& rows = detail::softmax_rows<T>();
    detail::parallel_for(out.rows, std::max<Index>(1, 8192 / std::max<Index>(1, classes)),
                         [&](Index begin, Index end) {
                           for (Index i = begin; i < end; ++i) {
                             const T factor = static_cast<T>(
                                 factors.span<double>()[static_cast<std::size_t>(i)] *
                                 static_cast<double>(detail::data<T>(g)[per_row ? i : 0]));
                             const double* s = detail::data<double>(sums) + 2 * i;
                             T* row = reinterpret_cast<T*>(out.data) + i * out.row_stride;
                             if (factor == T(0)) {
                               if (!to.accumulate) std::fill_n(row, classes, T(0));
                               continue;
                             }
                             (to.accumulate ? rows.add_exp : rows.exp)(
                                 detail::data<T>(x) + i * classes, classes, static_cast<T>(s[0]),
                                 static_cast<T>(s[1]), factor, row);
                             row[targets.span<Index>()[static_cast<std::size_t>(i)]] -= factor;
                           }
                         });
  });
}

const RegisteredOperation cross_entropy_op{
    {.name = "cross_entropy",
     .derivative = cross_entropy_derivative,
     .check =
         [] {
           Check check;
           for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
             check.cases.push_back(
                 {.name = "reduction " + std::to_string(static_cast<int>(reduction)),
                  .inputs = {{.shape = {2, 3, 5}}, {.shape = {2, 3}, .ids = 5}},
                  .call = [=](std::span<const Tensor> in) {
                    return cross_entropy(in[0], in[1],
                                         {.ignore_index = 2,
                                          .class_weights = tensor({1.0, 0.5, 2.0, 0.25, 1.5}, f64),
                                          .reduction = reduction});
                  }});
           return check;
         },
     .formula = "-log softmax(x)[target]; dx = dy (softmax(x) - onehot)"}};

double weight_of(const Tensor& weights, Index target) {
  if (!weights.defined()) return 1;
  return weights.dtype() == f32
             ? static_cast<double>(weights.span<float>()[static_cast<std::size_t>(target)])
             : weights.span<double>()[static_cast<std::size_t>(target)];
}

void check_operands(const Tensor& logits, const Tensor& targets,
                    const CrossEntropyOptions& options) {
  detail::require_floating("cross_entropy", "logits", logits);
  detail::require_defined("cross_entropy", "targets", targets);
  if (logits.rank() < 1 || targets.dtype() != i64 || targets.shape() != logits.shape().without(-1))
    fail("cross_entropy",
         {.given = "logits " + describe(logits) + " and targets " + describe(targets),
          .needed = "logits [..., V] and targets [...] in i64",
          .hint = {}});
  if (options.class_weights.defined() && (!is_floating(options.class_weights.dtype()) ||
                                          options.class_weights.shape() != Shape{logits.size(-1)}))
    fail("cross_entropy", {.given = "class_weights " + describe(options.class_weights) +
                                    " for logits " + describe(logits),
                           .needed = "[" + std::to_string(logits.size(-1)) + "]",
                           .hint = {}});
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options) {
  check_operands(logits, targets, options);
  const Index classes = logits.size(-1);
  const Tensor ids = detail::dense_copy(targets);
  const Tensor weights =
      options.class_weights.defined() ? detail::dense_copy(options.class_weights) : Tensor{};
  Tensor factors = detail::empty(targets.shape(), f64);
  double total = 0;
  const auto list = ids.span<Index>();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool counts = list[i] != options.ignore_index;
    if (counts && (list[i] < 0 || list[i] >= classes))
      fail("cross_entropy", {.given = "target " + std::to_string(list[i]) + " at " +
                                      detail::index_text(static_cast<Index>(i), targets.shape()),
                             .needed = "0 … " + std::to_string(classes - 1) + " or ignore_index (" +
                                       std::to_string(options.ignore_index) + ")",
                             .hint = "logits have " + std::to_string(classes) +
                                     " classes; is the vocabulary of the data that of the model?"});
    const double weight = counts ? weight_of(weights, list[i]) : 0.0;
    detail::data<double>(factors)[i] = weight;
    total += weight;
  }
  const bool average = options.reduction == Reduction::mean;
  if (average)
    for (std::size_t i = 0; i < list.size(); ++i)
      detail::data<double>(factors)[i] *= total == 0 ? 0.0 : 1.0 / total;

  const Tensor x = detail::dense_copy(logits);
  const Tensor sums = detail::empty({ids.size(), 2}, f64);
  std::vector<double> losses(list.size(), 0.0);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* from = detail::data<T>(x);
    detail::parallel_for(
        ids.size(), std::max<Index>(1, 8192 / std::max<Index>(1, classes)),
        [&](Index begin, Index end) {
          for (Index i = begin; i < end; ++i) {
            const auto at = static_cast<std::size_t>(i);
            const double factor = detail::data<double>(factors)[i];
            if (factor == 0) continue;
            const detail::LogSum s = detail::log_sum_of(from + i * classes, classes);
            detail::data<double>(sums)[2 * i] = s.shift;
            detail::data<double>(sums)[2 * i + 1] = s.log_sum;
            losses[at] = -factor * ((static_cast<double>(from[i * classes + list[at]]) - s.shift) -
                                    s.log_sum);
          }
        });
  });
  const bool per_row = options.reduction == Reduction::none;
  Tensor loss = detail::empty(per_row ? targets.shape() : Shape{}, logits.dtype());
  visit_floating(loss.dtype(), [&]<class T>(T) {
    double sum = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (per_row) detail::data<T>(loss)[i] = static_cast<T>(losses[i]);
      sum += losses[i];
    }
    if (!per_row) *detail::data<T>(loss) = static_cast<T>(sum);
  });
  return detail::record(cross_entropy_op, {&logits}, loss, {&logits, &ids, &factors, &sums},
                        PerRow{per_row});
}

}  // namespace unroll
