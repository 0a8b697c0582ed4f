#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/check_rows.h>
#include <unroll/autograd/ops/elementary.h>
#include <unroll/autograd/pointwise.h>

namespace unroll {
namespace {

using check::binary;
using check::unary;

const Pointwise sign_op{{.name = "sign",
                         .check = [] { return unary(sign, {.avoid = {0}}); },
                         .formula = "-1, 0 or 1; dx = 0 everywhere, also at 0 and NaN",
                         .domain = "a zero keeps its sign"},
                        [](auto x) { return sign(x); }};
const Pointwise rsqrt_op{{.name = "rsqrt",
                          .check = [] { return unary(rsqrt, {.low = 0.3, .high = 4}); },
                          .formula = "1 / √x; dx = -dy y / 2x, ∓inf at ±0",
                          .domain = "x ≥ 0, ±inf at ±0; NaN below",
                          .accuracy = "1.5 ulp f32, 1.5 ulp f64 over 1e7 points"},
                         [](auto x) { return 1.0 / sqrt(x); }};
const Pointwise expm1_op{{.name = "expm1",
                          .check = [] { return unary(expm1); },
                          .formula = "eˣ - 1; dx = dy eˣ",
                          .domain = "inf above 88.72 (f32), 709.78 (f64)",
                          .accuracy = "1.8 ulp f32, 2.0 ulp f64 over 1e7 points"},
                         [](auto x) { return expm1(x); }};
const Pointwise log1p_op{{.name = "log1p",
                          .check = [] { return unary(log1p, {.low = -0.6, .high = 3}); },
                          .formula = "log(1 + x); dx = dy / (1 + x), inf at -1",
                          .domain = "x ≥ -1, -inf at -1; NaN below",
                          .accuracy = "0.9 ulp f32, 0.9 ulp f64 over 1e7 points"},
                         [](auto x) { return log1p(x); }};
const Pointwise sin_op{{.name = "sin",
                        .check = [] { return unary(sin); },
                        .formula = "sin x; dx = dy cos x",
                        .domain = "NaN at ±inf",
                        .accuracy = "2.5 ulp f32, 2.3 ulp f64 over 1e7 points"},
                       [](auto x) { return sin(x); }};
const Pointwise cos_op{{.name = "cos",
                        .check = [] { return unary(cos); },
                        .formula = "cos x; dx = -dy sin x",
                        .domain = "NaN at ±inf",
                        .accuracy = "2.4 ulp f32, 2.4 ulp f64 over 1e7 points"},
                       [](auto x) { return cos(x); }};
const Pointwise erf_op{{.name = "erf",
                        .check = [] { return unary(erf); },
                        .formula = "2/√π ∫₀ˣ e^(-t²) dt; dx = dy 2/√π e^(-x²)",
                        .accuracy = "1.4 ulp f32, 1.4 ulp f64 over 1e7 points"},
                       [](auto x) { return erf(x); }};

const Pointwise pow_op{
    {.name = "pow",
     .check =
         [] {
           const CheckInput positive{.low = 0.4, .high = 2};
           Check row = binary([](auto& x, auto& y) { return pow(x, y); }, positive, positive);
           row.cases.push_back(row.cases[0]);
           row.cases[0].name = "positive exponent";
           row.cases[1].name = "negative exponent";
           row.cases[1].call = [](std::span<const Tensor> in) { return pow(in[0], -in[1]); };
           return row;
         },
     .formula = "z = xʸ; dx = dz y xʸ⁻¹, 0 where y = 0, inf where x = 0 and 0 < y < 1; dy = dz z "
                "log x, 0 where x = 0 and y ≥ 0",
     .domain = "x ≥ 0, or y whole; NaN elsewhere; x⁰ and 1ʸ are 1 for every x and y"},
    [](auto x, auto y) { return pow(x, y); }};

constexpr auto to_number = [](double k) { return [k](auto x) { return pow(x, k); }; };
const Pointwise pow_number_op{
    {.name = "pow_number",
     .check =
         [] {
           Check row = unary([](auto& x) { return pow(x, 2.7); }, {.low = 0.4, .high = 2});
           for (const double k : {3.0, 2.0, 1.0, 0.0, -1.0, 0.5, -2.0}) {
             CheckCase c = row.cases[0];
             c.name = "to the power of " + std::to_string(k);
             c.call = [k](std::span<const Tensor> in) { return pow(in[0], k); };
             row.cases.push_back(c);
           }
           return row;
         },
     .formula = "xᵏ; dx = dy k xᵏ⁻¹, 0 for k = 0, inf at 0 for 0 < k < 1",
     .domain = "x ≥ 0, or k whole; NaN elsewhere; x⁰ is 1 for every x",
     .accuracy = "1.3 ulp f32, 1.3 ulp f64 over 1e7 points (x³); 0.6 by the C library (x^2.5)"},
    to_number(1)};

constexpr auto of_number = [](double k) { return [k](auto x) { return pow(k, x); }; };
const Pointwise number_pow_op{
    {.name = "number_pow",
     .check = [] { return unary([](auto& x) { return pow(1.7, x); }); },
     .formula = "kˣ; dx = dy y log k, 0 for k = 0 and x ≥ 0",
     .domain = "k ≥ 0, or x whole; NaN elsewhere; 1ˣ is 1 for every x",
     .accuracy = "0.6 ulp f32, 0.6 ulp f64 over 1e7 points (1.5ˣ): the C library's"},
    of_number(1)};

}  // namespace

Tensor sign(const Tensor& x) { return sign_op(x); }
Tensor rsqrt(const Tensor& x) { return rsqrt_op(x); }
Tensor expm1(const Tensor& x) { return expm1_op(x); }
Tensor log1p(const Tensor& x) { return log1p_op(x); }
Tensor sin(const Tensor& x) { return sin_op(x); }
Tensor cos(const Tensor& x) { return cos_op(x); }
Tensor erf(const Tensor& x) { return erf_op(x); }
Tensor pow(const Tensor& x, const Tensor& y) { return pow_op(x, y); }
Tensor pow(const Tensor& x, double y) { return pow_number_op.with(to_number(y), x); }
Tensor pow(double x, const Tensor& y) { return number_pow_op.with(of_number(x), y); }

}  // namespace unroll
