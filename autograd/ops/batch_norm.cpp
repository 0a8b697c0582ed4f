#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/batch_norm.h>
#include <unroll/autograd/ops/norm_rule.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/autograd/simd/packet.h>

#include <algorithm>
#include <cmath>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/batch_norm_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll {
namespace {

using detail::NormRule;
using detail::rows_of_task;
using detail::Statistics;
using detail::Term;

template <class T, class F>
void with_loops(const F& f) {
  switch (simd::active_isa()) {
    case simd::Isa::avx512:
      return f(simd::avx512::batch_norm_loops<T>);
    case simd::Isa::avx2:
      return f(simd::avx2::batch_norm_loops<T>);
    case simd::Isa::baseline:
      return f(simd::baseline::batch_norm_loops<T>);
  }
}

// What the loops read for each feature, in T.
template <class T>
struct Columns {
  std::vector<T> mean, rest, scale;

  explicit Columns(std::span<const Statistics> statistics) {
    for (const Statistics& s : statistics) {
      const detail::MeanParts<T> parts(s);
      mean.push_back(parts.first);
      rest.push_back(parts.rest);
      scale.push_back(static_cast<T>(s.scale));
    }
  }
};

std::span<const Statistics> list_of(const Tensor& statistics) {
  return {detail::data<Statistics>(statistics), static_cast<std::size_t>(statistics.size(0))};
}

template <class T>
double element(const Tensor& x, std::size_t at, double without) {
  return x.defined() ? static_cast<double>(detail::data<T>(x)[at]) : without;
}

void derivative_in_place(Backward& b) {
  const auto& rule = b.attributes<NormRule>();
  const Tensor x = detail::dense_copy(b.saved(0));
  const auto statistics = list_of(b.saved(1));
  const Tensor weight = rule.weight ? detail::dense_copy(b.saved(2)) : Tensor{};
  detail::Destination to;
  if (b.needs(0)) to = b.destination(0);
  const Tensor dy = detail::dense_copy(b.upstream());
  Tensor hold;
  const Index rows = x.size(0);
  const Index n = x.size(1);
  const Index grain = rows_of_task(n);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const Columns<T> of(statistics);
    const T* from = detail::data<T>(x);
    const T* g = detail::data<T>(dy);
    std::vector<double> plain(static_cast<std::size_t>((rows + grain - 1) / grain * n), 0.0);
    std::vector<double> along(plain.size(), 0.0);
    with_loops<T>([&](const auto& loops) {
      detail::parallel_for(rows, grain, [&](Index begin, Index end) {
        for (Index at = begin; at < end; at += grain)
          loops.sums(from + at * n, g + at * n, std::min(grain, end - at), n, of.mean.data(),
                     of.rest.data(), of.scale.data(), plain.data() + at / grain * n,
                     along.data() + at / grain * n);
      });
      const Tensor dbias = detail::total_of(plain, n, f64);
      const Tensor dweight = detail::total_of(along, n, f64);
      if (to.buffer.defined()) {
        const detail::Matrix dx = detail::as_matrix(to.buffer, hold);
        std::vector<T> less, slope, factor;
        for (std::size_t c = 0; c < static_cast<std::size_t>(n); ++c) {
          const auto count = static_cast<double>(rows);
          less.push_back(static_cast<T>(detail::data<double>(dbias)[c] / count));
          slope.push_back(static_cast<T>(detail::data<double>(dweight)[c] / count));
          factor.push_back(static_cast<T>(statistics[c].scale * element<T>(weight, c, 1)));
        }
        const auto gradient = to.accumulate ? loops.add_gradient : loops.gradient;
        detail::parallel_for(rows, grain, [&](Index begin, Index end) {
          gradient(from + begin * n, g + begin * n, end - begin, n, of.mean.data(), of.rest.data(),
                   of.scale.data(), less.data(), slope.data(), factor.data(),
                   reinterpret_cast<T*>(dx.data) + begin * dx.row_stride, dx.row_stride);
        });
      }
      if (rule.weight) b.add(1, dweight.to(x.dtype()));
      if (rule.bias) b.add(rule.bias_input(), dbias.to(x.dtype()));
    });
  });
}

void derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  if (b.differentiable() || b.saved(0).size() == 0)
    detail::normalised_derivative(b, dy, 0);
  else
    derivative_in_place(b);
}

Check batch_check() {
  Check check;
  const auto row = [&](const Shape& shape, Index axis) {
    const Shape features{shape[axis]};
    check.cases.push_back(
        {.name = to_string(shape) + " axis " + std::to_string(axis),
         .inputs = {{.shape = shape}, {.shape = features}, {.shape = features}},
         .call = [=](std::span<const Tensor> in) {
           return batch_norm(in[0], in[1], in[2], {.epsilon = 0.01, .axis = axis}).outputs;
         }});
  };
  row({4, 3}, -1);
  row({2, 3, 2}, 1);
  check.cases.push_back({.name = "without weight",
                         .inputs = {{.shape = {5, 2}}},
                         .call = [](std::span<const Tensor> in) {
                           return batch_norm(in[0], {}, {}, {.epsilon = 0.01}).outputs;
                         }});
  return check;
}

const RegisteredOperation batch_norm_op{
    {.name = "batch_norm",
     .derivative = derivative,
     .check = batch_check,
     .formula = "x̂ w + b, x̂ = (x - mean) / √(var + ε) of each feature; dx = (g - mean g - x̂ "
                "mean(g x̂)) / √(var + ε), g = dy w",
     .accuracy = "statistics in double"}};

struct BatchStatistics {
  Tensor list;
  std::vector<double> variances;
};

BatchStatistics statistics_of(const Tensor& x, double epsilon) {
  const auto count = static_cast<double>(x.size(0));
  const Index n = x.size(1);
  detail::Block b{.hold = x, .outer = 1, .count = x.size(0), .inner = n};
  std::vector<double> means = detail::sum_terms(b, Term::plain);
  for (double& m : means) m /= count;
  const std::vector<double> rest = detail::sum_terms(b, Term::deviation, means.data());
  BatchStatistics all{.list = detail::empty({n, 3}, f64),
                      .variances = detail::sum_terms(b, Term::squared, means.data())};
  for (std::size_t c = 0; c < means.size(); ++c) {
    const double lost = rest[c] / count;
    double& variance = all.variances[c];
    variance = variance / count - lost * lost;
    if (variance < 0) variance = 0;  // by rounding; NaN stays
    detail::data<Statistics>(all.list)[c] = {means[c], lost, 1.0 / std::sqrt(variance + epsilon)};
  }
  return all;
}

// x [rows, n] with the features last.
Tensor normalise(const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Tensor& statistics, double epsilon) {
  const Tensor from = detail::dense_copy(x);
  const Tensor w = weight.defined() ? detail::dense_copy(weight) : Tensor{};
  const Tensor shift = bias.defined() ? detail::dense_copy(bias) : Tensor{};
  const Index n = x.size(1);
  Tensor y = detail::empty(x.shape(), x.dtype());
  visit_floating(x.dtype(), [&]<class T>(T) {
    const Columns<T> of(list_of(statistics));
    std::vector<T> scale, bias_of;
    for (std::size_t c = 0; c < static_cast<std::size_t>(n); ++c) {
      scale.push_back(static_cast<T>(list_of(statistics)[c].scale * element<T>(w, c, 1)));
      bias_of.push_back(static_cast<T>(element<T>(shift, c, 0)));
    }
    with_loops<T>([&](const auto& loops) {
      detail::parallel_for(x.size(0), rows_of_task(n), [&](Index begin, Index end) {
        loops.normalise(detail::data<T>(from) + begin * n, end - begin, n, of.mean.data(),
                        of.rest.data(), scale.data(), bias_of.data(),
                        detail::data<T>(y) + begin * n);
      });
    });
  });
  return detail::record_normalised(batch_norm_op, {epsilon, true, weight.defined(), bias.defined()},
                                   x, weight, bias, statistics, std::move(y));
}

void check_operands(std::string_view operation, const Tensor& x, const Tensor& weight,
                    const Tensor& bias, const BatchNormOptions& options, Index& axis) {
  detail::require_floating(operation, "x", x);
  axis = normalize_axis(operation, options.axis, x.rank());
  detail::check_normalised(operation, x, x.size(axis), "weight", weight);
  detail::check_normalised(operation, x, x.size(axis), "bias", bias);
  detail::check_epsilon(operation, options.epsilon);
}

constexpr auto normalised = [](auto x, auto mean, auto variance, auto weight, auto bias,
                               auto epsilon) {
  return (x - mean) / sqrt(variance + epsilon) * weight + bias;
};

}  // namespace

BatchNormed batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const BatchNormOptions& options) {
  Index axis = 0;
  check_operands("batch_norm", x, weight, bias, options, axis);
  const Index n = x.size(axis);
  if (x.size() == 0)
    fail("batch_norm", {.given = "x " + describe(x),
                        .needed = "at least one element",
                        .hint = "batch_norm_inference takes statistics from elsewhere"});
  const Tensor last = axis + 1 == x.rank() ? x : transpose(x, axis, -1);
  const Tensor rows = reshape(last, {x.size() / n, n});
  const BatchStatistics statistics =
      statistics_of(detail::dense_copy(detach(rows)), options.epsilon);
  BatchNormed result{.outputs = {},
                     .mean = detail::empty({n}, x.dtype()),
                     .variance = detail::empty({n}, x.dtype()),
                     .count = x.size() / n};
  visit_floating(x.dtype(), [&]<class T>(T) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(n); ++c) {
      const Statistics& s = list_of(statistics.list)[c];
      detail::data<T>(result.mean)[c] = static_cast<T>(s.mean + s.rest);
      detail::data<T>(result.variance)[c] = static_cast<T>(statistics.variances[c]);
    }
  });
  const Tensor y =
      reshape(normalise(rows, weight, bias, statistics.list, options.epsilon), last.shape());
  result.outputs = axis + 1 == x.rank() ? y : transpose(y, axis, -1);
  return result;
}

Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance,
                            const Tensor& weight, const Tensor& bias,
                            const BatchNormOptions& options) {
  Index axis = 0;
  check_operands("batch_norm_inference", x, weight, bias, options, axis);
  detail::require_defined("batch_norm_inference", "mean", mean);
  detail::require_defined("batch_norm_inference", "variance", variance);
  const Index n = x.size(axis);
  detail::check_normalised("batch_norm_inference", x, n, "mean", mean);
  detail::check_normalised("batch_norm_inference", x, n, "variance", variance);
  Shape along;
  for (Index i = 0; i < x.rank() - axis; ++i) along = along.inserted(i, i == 0 ? n : 1);
  const auto like_x = [&](const Tensor& v, double without) {
    return v.defined() ? reshape(v, along) : full({}, without, x.dtype());
  };
  return pointwise(normalised, x, reshape(mean, along), reshape(variance, along), like_x(weight, 1),
                   like_x(bias, 0), options.epsilon);
}

}  // namespace unroll
