#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/scans.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll {
namespace {

struct Scan {
  Index axis;  // counted from the front
  bool reverse;
};

// Runs row(place, step) for every line along the axis of dense tensors of this shape: elements of
// the line are at place, place + step, …, in the order of the scan.
template <class Row>
void each_line(const Shape& shape, const Scan& scan, const Row& row) {
  const Index n = shape[scan.axis];
  Index inner = 1;
  for (Index i = scan.axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  if (shape.size() == 0) return;
  detail::parallel_for(shape.size() / n, std::max<Index>(1, 8192 / n), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index first = i / inner * n * inner + i % inner;
      row(scan.reverse ? first + (n - 1) * inner : first, scan.reverse ? -inner : inner);
    }
  });
}

// out = Σ of v e^(p here + q there), over there = here and what was scanned before. A term where p
// or q is infinite counts nothing. With p and q a logcumsumexp and its input, either way round, no
// exponent is positive.
Tensor exp_scan(const Tensor& p, const Tensor& q, const Tensor& v, const Scan& scan);

void exp_scan_derivative(Backward& b) {
  const Tensor du = b.upstream();
  if (!du.defined()) return;
  const Tensor p = b.saved(0);
  const Tensor q = b.saved(1);
  const Tensor v = b.saved(2);
  const auto& scan = b.attributes<Scan>();
  b.add(0, du * exp_scan(p, q, v, scan));
  const Tensor dv = exp_scan(q, p, du, {scan.axis, !scan.reverse});
  b.add(1, v * dv);
  b.add(2, dv);
}

void cumsum_derivative(Backward& b) {
  if (const Tensor dy = b.upstream(); dy.defined()) {
    const auto& scan = b.attributes<Scan>();
    b.add(0, cumsum(dy, scan.axis, {.reverse = !scan.reverse}));
  }
}

void logcumsumexp_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const auto& scan = b.attributes<Scan>();
  b.add(0, exp_scan(b.saved(0), -b.saved(1), dy, {scan.axis, !scan.reverse}));
}

Check scan_check(Tensor (*f)(const Tensor&, Index, const ScanOptions&)) {
  Check check;
  for (const bool reverse : {false, true})
    for (const Index axis : {-1, 0, 1})
      check.cases.push_back({.name = "axis " + std::to_string(axis) + (reverse ? ", reverse" : ""),
                             .inputs = {{.shape = {2, 3, 4}}},
                             .call = [=](std::span<const Tensor> in) {
                               return f(in[0], axis, {.reverse = reverse});
                             }});
  return check;
}

Check exp_scan_check() {
  Check check{.trusts_caller = true};
  for (const bool reverse : {false, true})
    check.cases.push_back({.name = reverse ? "reverse" : "",
                           .inputs = {{.shape = {2, 3}}, {.shape = {2, 3}}, {.shape = {2, 3}}},
                           .call = [=](std::span<const Tensor> in) {
                             return exp_scan(in[0], in[1], in[2], {1, reverse});
                           }});
  return check;
}

const RegisteredOperation cumsum_op{{.name = "cumsum",
                                     .derivative = cumsum_derivative,
                                     .check = [] { return scan_check(cumsum); },
                                     .formula = "Σ x up to here; dx = Σ dy from here on",
                                     .accuracy = "added in double"}};
const RegisteredOperation logcumsumexp_op{
    {.name = "logcumsumexp",
     .derivative = logcumsumexp_derivative,
     .check = [] { return scan_check(logcumsumexp); },
     .formula = "log Σ eˣ up to here; dx = Σ dy e^(x - y) from here on",
     .domain = "terms where x or y is infinite have dx = 0",
     .accuracy = "added in double"}};
const RegisteredOperation exp_scan_op{
    {.name = "exp_scan",
     .derivative = exp_scan_derivative,
     .check = exp_scan_check,
     .formula = "yᵢ = Σ vⱼ e^(pᵢ + qⱼ), j up to i; dp = dy y, dvⱼ = Σ dyᵢ e^(pᵢ + qⱼ), dq = v dv",
     .domain = "terms where p or q is infinite count nothing"}};

Tensor exp_scan(const Tensor& p, const Tensor& q, const Tensor& v, const Scan& scan) {
  const Tensor here = detail::dense_copy(p);
  const Tensor there = detail::dense_copy(q);
  const Tensor weight = detail::dense_copy(v);
  Tensor y = detail::empty(p.shape(), p.dtype());
  const Index n = p.size(scan.axis);
  visit_floating(p.dtype(), [&]<class T>(T) {
    each_line(p.shape(), scan, [&](Index at, Index step) {
      double reference = -std::numeric_limits<double>::infinity();
      double sum = 0;  // of v e^(q - reference)
      for (Index k = 0; k < n; ++k, at += step) {
        const auto exponent = static_cast<double>(detail::data<T>(there)[at]);
        const auto base = static_cast<double>(detail::data<T>(here)[at]);
        if (!std::isinf(exponent)) {
          if (!(exponent <= reference)) {  // the first, a larger one, or NaN
            if (sum != 0) sum *= std::exp(reference - exponent);
            reference = exponent;
          }
          sum += static_cast<double>(detail::data<T>(weight)[at]) * std::exp(exponent - reference);
        }
        detail::data<T>(y)[at] = static_cast<T>(
            std::isinf(base) || std::isinf(reference) ? 0.0 : sum * std::exp(base + reference));
      }
    });
  });
  return detail::record(exp_scan_op, {&p, &q, &v}, y, {&p, &q, &v}, scan);
}

}  // namespace

Tensor cumsum(const Tensor& x, Index axis, const ScanOptions& options) {
  detail::require_floating("cumsum", "x", x);
  const Scan scan{normalize_axis("cumsum", axis, x.rank()), options.reverse};
  const Tensor from = detail::dense_copy(x);
  Tensor y = detail::empty(x.shape(), x.dtype());
  const Index n = x.size(scan.axis);
  visit_floating(x.dtype(), [&]<class T>(T) {
    each_line(x.shape(), scan, [&](Index at, Index step) {
      double sum = 0;
      for (Index k = 0; k < n; ++k, at += step) {
        sum += static_cast<double>(detail::data<T>(from)[at]);
        detail::data<T>(y)[at] = static_cast<T>(sum);
      }
    });
  });
  return detail::record(cumsum_op, {&x}, y, {}, scan);
}

Tensor logcumsumexp(const Tensor& x, Index axis, const ScanOptions& options) {
  detail::require_floating("logcumsumexp", "x", x);
  const Scan scan{normalize_axis("logcumsumexp", axis, x.rank()), options.reverse};
  const Tensor from = detail::dense_copy(x);
  Tensor y = detail::empty(x.shape(), x.dtype());
  const Index n = x.size(scan.axis);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  visit_floating(x.dtype(), [&]<class T>(T) {
    each_line(x.shape(), scan, [&](Index at, Index step) {
      double largest = -infinity;
      double others = 0;  // Σ e^(x - largest) without the largest itself, so that log1p is exact
      for (Index k = 0; k < n; ++k, at += step) {
        const auto v = static_cast<double>(detail::data<T>(from)[at]);
        if (std::isnan(largest) || v == -infinity || largest == infinity) {
          if (std::isnan(v)) largest = v;
        } else if (!(v <= largest)) {
          others = largest == -infinity ? 0 : (others + 1) * std::exp(largest - v);
          largest = v;
        } else {
          others += std::exp(v - largest);
        }
        detail::data<T>(y)[at] = static_cast<T>(largest + std::log1p(others));
      }
    });
  });
  return detail::record(logcumsumexp_op, {&x}, y, {&x, &y}, scan);
}

}  // namespace unroll
