#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/activations.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/softmax.h>
#include <unroll/autograd/ops/softmax_rows.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/autograd/simd/packet.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/softmax_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll {
namespace detail {

template <class T>
const SoftmaxRows<T>& softmax_rows() {
  static constexpr SoftmaxRows<T> baseline{
      simd::baseline::row_max<T>,     simd::baseline::row_find<T>, simd::baseline::row_log<T>,
      simd::baseline::row_exp_sum<T>, simd::baseline::row_exp<T>,  simd::baseline::row_add_exp<T>};
  static constexpr SoftmaxRows<T> avx2{simd::avx2::row_max<T>, simd::avx2::row_find<T>,
                                       simd::avx2::row_log<T>, simd::avx2::row_exp_sum<T>,
                                       simd::avx2::row_exp<T>, simd::avx2::row_add_exp<T>};
  static constexpr SoftmaxRows<T> avx512{simd::avx512::row_max<T>, simd::avx512::row_find<T>,
                                         simd::avx512::row_log<T>, simd::avx512::row_exp_sum<T>,
                                         simd::avx512::row_exp<T>, simd::avx512::row_add_exp<T>};
  return simd::dispatch(baseline, avx2, avx512);
}
template const SoftmaxRows<float>& softmax_rows<float>();
template const SoftmaxRows<double>& softmax_rows<double>();

template <class T>
LogSum log_sum_of(const T* x, Index n) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const SoftmaxRows<T>& rows = softmax_rows<T>();
  const T largest = rows.max(x, n);
  if (largest == -infinity) return {0, -infinity};
  const auto shift = static_cast<double>(largest);
  if (!(largest < infinity)) return {shift, std::numeric_limits<double>::quiet_NaN()};
  // The largest adds 1, beside which little others would be lost: they are summed alone.
  const Index at = rows.find(x, n, largest);
  const double others =
      rows.exp_sum(x, at, largest) + rows.exp_sum(x + at + 1, n - at - 1, largest);
  return {shift, std::log1p(others)};
}
template LogSum log_sum_of<float>(const float* x, Index n);
template LogSum log_sum_of<double>(const double* x, Index n);

}  // namespace detail

namespace {

// All work on the last axis; another one is brought there by views.
template <class F>
Tensor on_axis(std::string_view operation, const Tensor& x, Index axis, const F& f) {
  detail::require_floating(operation, "x", x);
  const Index at = normalize_axis(operation, axis, x.rank());
  if (at + 1 == x.rank()) return f(x);
  return transpose(f(contiguous(transpose(x, at, -1))), at, -1);
}

// row(i, n, T{}) for each row i of x.
template <class Row>
void each_row(const Tensor& x, const Row& row) {
  const Index n = x.rank() == 0 ? 1 : x.size(-1);
  if (x.size() == 0) return;
  visit_floating(x.dtype(), [&]<class T>(T) {
    detail::parallel_for(x.size() / n, std::max<Index>(1, 8192 / n), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) row(i, n, T{});
    });
  });
}

template <class T>
void softmax_row(const T* x, Index n, T* y) {
  const detail::LogSum s = detail::log_sum_of(x, n);
  if (s.log_sum == -std::numeric_limits<double>::infinity())
    std::fill_n(y, n, T(0));  // every element -inf: nothing to choose from
  else
    detail::softmax_rows<T>().exp(x, n, static_cast<T>(s.shift), static_cast<T>(s.log_sum), T(1),
                                  y);
}

// v where it counts, else 0: a product with the mask would let NaN through.
constexpr auto where_counted = [](auto v, auto mask) { return where(mask == 0.0, 0.0, v); };
constexpr auto masked_gradient = [](auto y, auto dy, auto dot, auto mask) {
  return where(mask == 0.0, 0.0, y * (dy - dot));
};

void softmax_gradient_in_place(Backward& b) {
  const Tensor y = b.saved(0);
  if (y.size() == 0) return;
  const detail::Destination to = b.destination(0);
  const Tensor dy = detail::dense_copy(b.upstream());
  Tensor hold;
  const detail::Matrix out = detail::as_matrix(to.buffer, hold);
  each_row(y, [&]<class T>(Index i, Index n, T) {
    const auto gradient = to.accumulate
                              ? simd::dispatch(simd::baseline::row_softmax_gradient<T, true>,
                                               simd::avx2::row_softmax_gradient<T, true>,
                                               simd::avx512::row_softmax_gradient<T, true>)
                              : simd::dispatch(simd::baseline::row_softmax_gradient<T, false>,
                                               simd::avx2::row_softmax_gradient<T, false>,
                                               simd::avx512::row_softmax_gradient<T, false>);
    gradient(detail::data<T>(y) + i * n, detail::data<T>(dy) + i * n, n,
             reinterpret_cast<T*>(out.data) + i * out.row_stride);
  });
}

void softmax_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  if (!b.differentiable()) {
    softmax_gradient_in_place(b);
    return;
  }
  const Tensor weighted = b.saved(0) * dy;
  b.add(0, weighted - b.saved(0) * sum(weighted, -1, {.keepdim = true}));
}

void masked_softmax_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const Tensor y = b.saved(0);
  const Tensor mask = b.saved(1);
  const Tensor counted = pointwise(where_counted, dy, mask);
  b.add(0, pointwise(masked_gradient, y, counted, sum(y * counted, -1, {.keepdim = true}), mask));
}

struct LogSoftmax {
  bool dead_rows;  // some are -inf throughout
};

void log_softmax_derivative(Backward& b) {
  Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const Tensor y = b.saved(0);
  if (b.attributes<LogSoftmax>().dead_rows)
    dy = pointwise(where_counted, dy, exp(max(detach(y), -1, {.keepdim = true})));
  b.add(0, dy - exp(y) * sum(dy, -1, {.keepdim = true}));
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
     .derivative = softmax_derivative,
     .check =
         [] { return softmax_check([](const Tensor& x, Index axis) { return softmax(x, axis); }); },
     .formula = "eˣ / Σ eˣ; dx = y (dy - Σ y dy)",
     .domain = "all -inf: 0 with dx = 0; NaN or +inf: NaN"}};
const RegisteredOperation masked_softmax_op{
    {.name = "masked_softmax",
     .derivative = masked_softmax_derivative,
     .check =
         [] {
           return softmax_check([](const Tensor& x, Index axis) {
             return softmax(x, axis, {.mask = tensor({{1, 1, 0, 1}, {0, 1, 0, 1}, {0, 1, 1, 0}})});
           });
         },
     .formula = "softmax of what counts, else 0; dx = y (dy - Σ y dy), else 0",
     .domain = "nothing that counts, or all of it -inf: 0 with dx = 0"}};
const RegisteredOperation log_softmax_op{
    {.name = "log_softmax",
     .derivative = log_softmax_derivative,
     .check = [] { return softmax_check(log_softmax); },
     .formula = "x - log Σ eˣ; dx = dy - eʸ Σ dy",
     .domain = "all -inf: -inf with dx = 0; NaN or +inf: NaN",
     .accuracy = "0.7 (f32) and 3.1 (f64) ulp of max(|y|, 1)"}};

Tensor softmax_last(const Tensor& x) {
  const Tensor dense = detail::dense_copy(x);
  Tensor y = detail::empty(x.shape(), x.dtype());
  each_row(x, [&]<class T>(Index i, Index n, T) {
    softmax_row(detail::data<T>(dense) + i * n, n, detail::data<T>(y) + i * n);
  });
  return detail::record(softmax_op, {&x}, y, {&y});
}

// mask: of x's shape and dtype. What does not count is taken for -inf.
Tensor masked_softmax_last(const Tensor& x, const Tensor& mask) {
  const Tensor dense = detail::dense_copy(x);
  Tensor y = detail::empty(x.shape(), x.dtype());
  each_row(x, [&]<class T>(Index i, Index n, T) {
    const T* from = detail::data<T>(dense) + i * n;
    const T* counts = detail::data<T>(mask) + i * n;
    T* to = detail::data<T>(y) + i * n;
    for (Index k = 0; k < n; ++k)
      to[k] = counts[k] == T(0) ? -std::numeric_limits<T>::infinity() : from[k];
    softmax_row(to, n, to);
    for (Index k = 0; k < n; ++k)  // in a row of NaN, too
      if (counts[k] == T(0)) to[k] = T(0);
  });
  return detail::record(masked_softmax_op, {&x}, y, {&y, &mask});
}

Tensor log_softmax_last(const Tensor& x) {
  const Tensor dense = detail::dense_copy(x);
  Tensor y = detail::empty(x.shape(), x.dtype());
  std::atomic<bool> dead = false;
  each_row(x, [&]<class T>(Index i, Index n, T) {
    const T* from = detail::data<T>(dense) + i * n;
    T* to = detail::data<T>(y) + i * n;
    const detail::LogSum s = detail::log_sum_of(from, n);
    if (s.log_sum == -std::numeric_limits<double>::infinity()) {
      std::fill_n(to, n, -std::numeric_limits<T>::infinity());
      dead = true;
      return;
    }
    detail::softmax_rows<T>().log(from, n, s.shift, s.log_sum, to);
  });
  return detail::record(log_softmax_op, {&x}, y, {&y}, LogSoftmax{dead});
}

// A mask of any dtype as 0 and 1 of x's shape and dtype, the axis last.
Tensor mask_like(const Tensor& mask, const Tensor& x, Index axis) {
  Shape wider;
  if (!broadcast(x.shape(), mask.shape(), wider) || wider != x.shape())
    fail("softmax", {.given = "mask " + describe(mask) + " for x " + describe(x),
                     .needed = "a mask that broadcasts to the shape of x",
                     .hint = {}});
  const Tensor from = detail::dense_copy(detach(mask));
  Tensor marks = detail::empty(mask.shape(), x.dtype());
  visit(mask.dtype(), [&]<class M>(M) {
    visit_floating(x.dtype(), [&]<class T>(T) {
      for (Index i = 0; i < marks.size(); ++i)
        detail::data<T>(marks)[i] = detail::data<M>(from)[i] == M{} ? T(0) : T(1);
    });
  });
  if (marks.shape() != x.shape()) marks = expand(marks, x.shape());
  return detail::dense_copy(transpose(marks, axis, -1));
}

}  // namespace

Tensor softmax(const Tensor& x, Index axis, const SoftmaxOptions& options) {
  if (!options.mask.defined()) return on_axis("softmax", x, axis, softmax_last);
  detail::require_floating("softmax", "x", x);
  const Tensor mask = mask_like(options.mask, x, normalize_axis("softmax", axis, x.rank()));
  return on_axis("softmax", x, axis,
                 [&](const Tensor& last) { return masked_softmax_last(last, mask); });
}
Tensor log_softmax(const Tensor& x, Index axis) {
  return on_axis("log_softmax", x, axis, log_softmax_last);
}

}  // namespace unroll
