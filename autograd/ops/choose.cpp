#include <unroll/autograd/ops/check_rows.h>
#include <unroll/autograd/ops/choose.h>
#include <unroll/autograd/ops/relations.h>
#include <unroll/autograd/pointwise.h>

namespace unroll {
namespace {

using check::binary;
using check::unary;
using detail::mask_in;

const Pointwise where_op{
    {.name = "where",
     .check =
         [] { return binary([](auto& a, auto& b) { return where(check::every_third(b), a, b); }); },
     .formula = "mask ? a : b; da = dy where taken, else exactly 0; db likewise"},
    [](auto mask, auto a, auto b) { return where(mask != 0.0, a, b); }};

constexpr auto else_number = [](double k) {
  return [k](auto mask, auto a) { return where(mask != 0.0, a, k); };
};
const Pointwise where_number_op{
    {.name = "where_number",
     .check = [] { return unary([](auto& x) { return where(check::every_third(x), x, 0.5); }); },
     .formula = "mask ? x : k; dx = dy where taken, else exactly 0"},
    else_number(0)};

constexpr auto number_first = [](double k) {
  return [k](auto mask, auto x) { return where(mask != 0.0, k, x); };
};
const Pointwise masked_fill_op{
    {.name = "masked_fill",
     .check =
         [] { return unary([](auto& x) { return masked_fill(x, check::every_third(x), -7); }); },
     .formula = "mask ? k : x; dx = exactly 0 where filled, else dy"},
    number_first(0)};

}  // namespace

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  detail::require_floating("where", "a", a);
  detail::require_floating("where", "b", b);
  return where_op(mask_in("where", mask, a.dtype()), a, b);
}
Tensor where(const Tensor& mask, const Tensor& a, double b) {
  detail::require_floating("where", "a", a);
  return where_number_op.with(else_number(b), mask_in("where", mask, a.dtype()), a);
}
Tensor where(const Tensor& mask, double a, const Tensor& b) { return masked_fill(b, mask, a); }

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  detail::require_floating("masked_fill", "x", x);
  return masked_fill_op.with(number_first(value), mask_in("masked_fill", mask, x.dtype()), x);
}

}  // namespace unroll
