#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/layer_norm.h>
#include <unroll/autograd/ops/norm_rule.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/packet.h>

#include <algorithm>
#include <cmath>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/layer_norm_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll {
namespace {

using detail::NormRule;
using detail::rows_of_task;
using detail::Statistics;

// Calls f with the loops for this processor.
template <class T, class F>
void with_loops(const F& f) {
  switch (simd::active_isa()) {
    case simd::Isa::avx512:
      return f(simd::avx512::layer_norm_loops<T>);
    case simd::Isa::avx2:
      return f(simd::avx2::layer_norm_loops<T>);
    case simd::Isa::baseline:
      return f(simd::baseline::layer_norm_loops<T>);
  }
}

template <class Loops, class T>
Statistics statistics_of(const Loops& loops, const NormRule& rule, const T* x, Index n) {
  const auto count = static_cast<double>(n);
  const double mean = rule.centred ? loops.deviations(x, n, 0) / count : 0.0;
  // Of f32, a mean in double is right beyond the last digit.
  const double rest = rule.centred && sizeof(T) == 8 ? loops.deviations(x, n, mean) / count : 0.0;
  double variance = loops.squares(x, n, mean) / count - rest * rest;
  if (variance < 0) variance = 0;  // by rounding; NaN stays
  return {mean, rest, 1.0 / std::sqrt(variance + rule.epsilon)};
}

template <class T>
T* optional_data(const Tensor& x) {
  return x.defined() ? detail::data<T>(x) : nullptr;
}

// The rows of x, dy and dx, and what is done to each of them.
template <class T>
struct RowGradients {
  const NormRule& rule;
  Index n;
  const T* x;
  const T* dy;
  const T* weight;
  const Statistics* statistics;
  detail::Matrix dx;  // null: not wanted
  bool accumulate;
  bool parameters;
  std::vector<double> dweight, dbias;  // of each task

  template <class Loops>
  void run(const Loops& loops, Index task, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const detail::MeanParts<T> mean(statistics[i]);
      const T scale = static_cast<T>(statistics[i].scale);
      const T* row = x + i * n;
      const T* g = dy + i * n;
      if (dx.data != nullptr) {
        double sums[2];
        loops.sums(row, g, weight, n, mean.first, mean.rest, scale, sums);
        const auto count = static_cast<double>(n);
        (accumulate ? loops.add_gradient : loops.gradient)(
            row, g, weight, n, mean.first, mean.rest, scale,
            static_cast<T>(rule.centred ? sums[0] / count : 0.0), static_cast<T>(sums[1] / count),
            reinterpret_cast<T*>(dx.data) + i * dx.row_stride);
      }
      if (parameters)
        loops.parameters(row, g, n, mean.first, mean.rest, scale, dweight.data() + task * n,
                         dbias.data() + task * n);
    }
  }
};

void derivative_in_place(Backward& b) {
  const auto& rule = b.attributes<NormRule>();
  const Tensor x = detail::dense_copy(b.saved(0));
  const Tensor statistics = b.saved(1);
  const Tensor weight = rule.weight ? detail::dense_copy(b.saved(2)) : Tensor{};
  const bool dweight = rule.weight && b.needs(1);
  const bool dbias = rule.bias && b.needs(rule.bias_input());
  detail::Destination to;
  if (b.needs(0)) to = b.destination(0);
  const Tensor dy = detail::dense_copy(b.upstream());
  Tensor hold;
  const Index n = x.size(-1);
  const Index rows = statistics.size(0);
  const Index grain = rows_of_task(n);
  visit_floating(x.dtype(), [&]<class T>(T) {
    RowGradients<T> all{
        .rule = rule,
        .n = n,
        .x = detail::data<T>(x),
        .dy = detail::data<T>(dy),
        .weight = optional_data<T>(weight),
        .statistics = detail::data<Statistics>(statistics),
        .dx = to.buffer.defined() ? detail::as_matrix(to.buffer, hold) : detail::Matrix{},
        .accumulate = to.accumulate,
        .parameters = dweight || dbias,
        .dweight = {},
        .dbias = {}};
    if (all.parameters) {
      all.dweight.resize(static_cast<std::size_t>((rows + grain - 1) / grain * n));
      all.dbias.resize(all.dweight.size());
    }
    with_loops<T>([&](const auto& loops) {
      detail::parallel_for(rows, grain, [&](Index begin, Index end) {
        for (Index at = begin; at < end; at += grain)
          all.run(loops, at / grain, at, std::min(at + grain, end));
      });
    });
    if (dweight) b.add(1, detail::total_of(all.dweight, n, x.dtype()));
    if (dbias) b.add(rule.bias_input(), detail::total_of(all.dbias, n, x.dtype()));
  });
}

void derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  if (b.differentiable() || b.saved(0).size() == 0)
    detail::normalised_derivative(b, dy, -1);
  else
    derivative_in_place(b);
}

template <class F>
Check norm_check(const F& f, bool bias) {
  Check check;
  for (const Shape& shape : {Shape{2, 3, 5}, Shape{3, 4}, Shape{6}}) {
    CheckCase c{.name = to_string(shape),
                .inputs = {{.shape = shape}, {.shape = {shape[-1]}}},
                .call = [f](std::span<const Tensor> in) { return f(in); }};
    if (bias) c.inputs.push_back({.shape = {shape[-1]}});
    check.cases.push_back(std::move(c));
  }
  check.cases.push_back({.name = "without weight",
                         .inputs = {{.shape = {3, 4}}},
                         .call = [f](std::span<const Tensor> in) { return f(in); }});
  return check;
}

const RegisteredOperation layer_norm_op{
    {.name = "layer_norm",
     .derivative = derivative,
     .check =
         [] {
           return norm_check(
               [](std::span<const Tensor> in) {
                 return in.size() == 1 ? layer_norm(in[0], {}, {}, {.epsilon = 0.01})
                                       : layer_norm(in[0], in[1], in[2], {.epsilon = 0.01});
               },
               true);
         },
     .formula = "x̂ w + b, x̂ = (x - mean) / √(var + ε); dx = (g - mean g - x̂ mean(g x̂)) / √(var + "
                "ε), g = dy w",
     .accuracy = "statistics in double"}};
const RegisteredOperation rms_norm_op{
    {.name = "rms_norm",
     .derivative = derivative,
     .check =
         [] {
           return norm_check(
               [](std::span<const Tensor> in) {
                 return rms_norm(in[0], in.size() == 1 ? Tensor{} : in[1], {.epsilon = 0.01});
               },
               false);
         },
     .formula = "x̂ w, x̂ = x / √(mean x² + ε); dx = (g - x̂ mean(g x̂)) / √(mean x² + ε), g = dy w",
     .accuracy = "statistics in double"}};

Tensor normalise(const Operation& operation, const Tensor& x, const Tensor& weight,
                 const Tensor& bias, double epsilon, bool centred) {
  detail::require_floating(operation.name, "x", x);
  if (x.rank() == 0)
    fail(operation.name, {.given = "x " + describe(x), .needed = "at least one axis", .hint = {}});
  const Index n = x.size(-1);
  detail::check_normalised(operation.name, x, n, "weight", weight);
  detail::check_normalised(operation.name, x, n, "bias", bias);
  detail::check_epsilon(operation.name, epsilon);
  const NormRule rule{epsilon, centred, weight.defined(), bias.defined()};
  const Tensor from = detail::dense_copy(x);
  const Tensor w = rule.weight ? detail::dense_copy(weight) : Tensor{};
  const Tensor shift = rule.bias ? detail::dense_copy(bias) : Tensor{};
  const Index rows = n == 0 ? 0 : x.size() / n;
  const Tensor statistics = detail::empty({rows, 3}, f64);
  Tensor y = detail::empty(x.shape(), x.dtype());
  visit_floating(x.dtype(), [&]<class T>(T) {
    with_loops<T>([&](const auto& loops) {
      detail::parallel_for(rows, rows_of_task(n), [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          const T* row = detail::data<T>(from) + i * n;
          const Statistics s = statistics_of(loops, rule, row, n);
          detail::data<Statistics>(statistics)[i] = s;
          const detail::MeanParts<T> mean(s);
          loops.normalise(row, n, mean.first, mean.rest, static_cast<T>(s.scale),
                          optional_data<T>(w), optional_data<T>(shift), detail::data<T>(y) + i * n);
        }
      });
    });
  });
  return detail::record_normalised(operation, rule, x, weight, bias, statistics, std::move(y));
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const LayerNormOptions& options) {
  return normalise(layer_norm_op, x, weight, bias, options.epsilon, true);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, const LayerNormOptions& options) {
  return normalise(rms_norm_op, x, weight, {}, options.epsilon, false);
}

}  // namespace unroll
