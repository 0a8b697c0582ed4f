#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/class_targets.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/pointwise.h>

#include <vector>

namespace unroll {
namespace {

using detail::data;

enum Saved : Index { saved_hit, saved_positions };

constexpr auto minus_where_counted = [](auto dy, auto factor) {
  return where(factor != 0.0, -dy * factor, 0.0);
};

const RegisteredOperation nll_op{
    {.name = "nll",
     .derivative =
         [](Backward& b) {
           const Tensor dy = b.upstream();
           if (!dy.defined() || !b.needs(0)) return;
           const Tensor row = pointwise(minus_where_counted, dy, b.saved(saved_hit).to(dy.dtype()));
           if (b.input_shape(0).size() == 0)
             b.add(0, zeros(b.input_shape(0), dy.dtype()));
           else
             b.add(0, scatter_flat(row, b.saved(saved_positions), b.input_shape(0)));
         },
     .check =
         [] {
           Check check;
           for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
             check.cases.push_back(
                 {.name = "reduction " + std::to_string(static_cast<int>(reduction)),
                  .inputs = {{.shape = {2, 3, 5}}, {.shape = {2, 3}, .ids = 5}},
                  .call = [=](std::span<const Tensor> in) {
                    return nll(in[0], in[1],
                               {.ignore_index = 2,
                                .class_weights = tensor({1.0, 0.5, 2.0, 0.25, 1.5}, f64),
                                .weights = tensor({1.0, 0.0, 0.5}),
                                .reduction = reduction});
                  }});
           return check;
         },
     .formula = "-x[target]; dx = -dy onehot; 0 where ignored"}};

}  // namespace

Tensor nll(const Tensor& log_probabilities, const Tensor& targets, const NllOptions& options) {
  detail::require_floating("nll", "log_probabilities", log_probabilities);
  detail::require_defined("nll", "targets", targets);
  if (log_probabilities.rank() < 1 || targets.dtype() != i64 ||
      targets.shape() != log_probabilities.shape().without(-1))
    fail("nll", {.given = "log_probabilities " + describe(log_probabilities) + " and targets " +
                          describe(targets),
                 .needed = "log_probabilities [..., V] and targets [...] in i64",
                 .hint = {}});
  const detail::ClassTargets t = detail::class_targets("nll", log_probabilities, targets,
                                                       {.ignore_index = options.ignore_index,
                                                        .class_weights = options.class_weights,
                                                        .weights = options.weights,
                                                        .reduction = options.reduction});
  const Tensor at = detail::target_positions(t.ids, t.hit, log_probabilities.size(-1));
  const Tensor x = detail::dense_copy(log_probabilities);
  std::vector<double> losses(static_cast<std::size_t>(at.size()), 0.0);
  visit_floating(x.dtype(), [&]<class T>(T) {
    for (Index i = 0; i < at.size(); ++i)
      if (const double hit = data<double>(t.hit)[i]; hit != 0)
        losses[static_cast<std::size_t>(i)] =
            -hit * static_cast<double>(data<T>(x)[data<Index>(at)[i]]);
  });
  const Tensor loss = detail::reduced_rows(losses, targets.shape(), x.dtype(), options.reduction);
  return detail::record(nll_op, {&log_probabilities}, loss, {&t.hit, &at});
}

}  // namespace unroll
