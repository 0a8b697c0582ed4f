#include <unroll/autograd/backward.h>
#include <unroll/autograd/ops/activations.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/softmax.h>
#include <unroll/autograd/ops/softmax_rows.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/packet.h>

#include <cmath>
#include <limits>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/softmax_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll {
namespace detail {

template <class T>
const SoftmaxRows<T>& softmax_rows() {
  static constexpr SoftmaxRows<T> baseline{
      simd::baseline::row_max<T>, simd::baseline::row_exp_sum<T>, simd::baseline::row_exp<T>,
      simd::baseline::row_add_exp<T>};
  static constexpr SoftmaxRows<T> avx2{simd::avx2::row_max<T>, simd::avx2::row_exp_sum<T>,
                                       simd::avx2::row_exp<T>, simd::avx2::row_add_exp<T>};
  static constexpr SoftmaxRows<T> avx512{simd::avx512::row_max<T>, simd::avx512::row_exp_sum<T>,
                                         simd::avx512::row_exp<T>, simd::avx512::row_add_exp<T>};
  return simd::dispatch(baseline, avx2, avx512);
}
template const SoftmaxRows<float>& softmax_rows<float>();
template const SoftmaxRows<double>& softmax_rows<double>();

template <class T>
LogSum log_sum_of(const T* x, Index n) {
  const SoftmaxRows<T>& rows = softmax_rows<T>();
  const T largest = rows.max(x, n);
  const T shift = largest == -std::numeric_limits<T>::infinity() ? T(0) : largest;
  return {static_cast<double>(shift), std::log(rows.exp_sum(x, n, shift))};
}
template LogSum log_sum_of<float>(const float* x, Index n);
template LogSum log_sum_of<double>(const double* x, Index n);

}  // namespace detail

namespace {

// Both work on the last axis; another one is brought there by views.
using RowFunction = Tensor (*)(const Tensor& x);

Tensor on_axis(std::string_view operation, const Tensor& x, Index axis, RowFunction f) {
  detail::require_floating(operation, "x", x);
  const Index at = normalize_axis(operation, axis, x.rank());
  if (at + 1 == x.rank()) return f(x);
  return transpose(f(contiguous(transpose(x, at, -1))), at, -1);
}

template <class Row>
Tensor each_row(const Tensor& x, const Row& row) {
  const Tensor dense = detail::dense_copy(x);
  Tensor y = detail::empty(x.shape(), x.dtype());
  const Index n = x.size(-1);
  if (x.size() == 0) return y;
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* from = detail::data<T>(dense);
    T* to = detail::data<T>(y);
    detail::parallel_for(x.size() / n, std::max<Index>(1, 8192 / n), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) row(from + i * n, n, to + i * n);
    });
  });
  return y;
}

Check softmax_check(Tensor (*f)(const Tensor&, Index)) {
  Check check;
  for (const Index axis : {-1, 0, 1})
    check.cases.push_back({.name = "axis " + std::to_string(axis),
                           .inputs = {{.shape = {2, 3, 4}}},
                           .call = [=](std::span<const Tensor> in) { return f(in[0], axis); }});
  return check;
}

const RegisteredOperation softmax_op{
    {.name = "softmax",
     .derivative =
         [](Backward& b) {
           const Tensor dy = b.upstream();
           if (!dy.defined()) return;
           const Tensor weighted = b.saved(0) * dy;
           b.add(0, weighted - b.saved(0) * sum(weighted, -1, {.keepdim = true}));
         },
     .check = [] { return softmax_check(softmax); },
     .formula = "eˣ / Σ eˣ; dx = y (dy - Σ y dy)"}};
const RegisteredOperation log_softmax_op{{.name = "log_softmax",
                                          .derivative =
                                              [](Backward& b) {
                                                const Tensor dy = b.upstream();
                                                if (!dy.defined()) return;
                                                b.add(0, dy - exp(b.saved(0)) *
                                                                  sum(dy, -1, {.keepdim = true}));
                                              },
                                          .check = [] { return softmax_check(log_softmax); },
                                          .formula = "x - log Σ eˣ; dx = dy - eʸ Σ dy"}};

Tensor softmax_last(const Tensor& x) {
  Tensor y = each_row(x, []<class T>(const T* from, Index n, T* to) {
    const detail::LogSum s = detail::log_sum_of(from, n);
    if (s.log_sum == -std::numeric_limits<double>::infinity())
      std::fill_n(to, n, T(0));  // every element -inf: nothing to choose from
    else
      detail::softmax_rows<T>().exp(from, n, static_cast<T>(s.shift), static_cast<T>(s.log_sum),
                                    T(1), to);
  });
  return detail::record(softmax_op, {&x}, y, {&y});
}

Tensor log_softmax_last(const Tensor& x) {
  Tensor y = each_row(x, []<class T>(const T* from, Index n, T* to) {
    const detail::LogSum s = detail::log_sum_of(from, n);
    for (Index i = 0; i < n; ++i)
      to[i] = static_cast<T>((static_cast<double>(from[i]) - s.shift) - s.log_sum);
  });
  return detail::record(log_softmax_op, {&x}, y, {&y});
}

}  // namespace

Tensor softmax(const Tensor& x, Index axis) { return on_axis("softmax", x, axis, softmax_last); }
Tensor log_softmax(const Tensor& x, Index axis) {
  return on_axis("log_softmax", x, axis, log_softmax_last);
}

}  // namespace unroll
