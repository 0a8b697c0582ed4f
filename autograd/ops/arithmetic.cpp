#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/check_rows.h>
#include <unroll/autograd/pointwise.h>

namespace unroll {
namespace {

using check::binary;
using check::unary;

const Pointwise add_op{{.name = "add",
                        .check = [] { return binary([](auto& x, auto& y) { return x + y; }); },
                        .formula = "z = x + y; dx = dz, dy = dz"},
                       [](auto x, auto y) { return x + y; }};
const Pointwise sub_op{{.name = "sub",
                        .check = [] { return binary([](auto& x, auto& y) { return x - y; }); },
                        .formula = "z = x - y; dx = dz, dy = -dz"},
                       [](auto x, auto y) { return x - y; }};
const Pointwise mul_op{{.name = "mul",
                        .check = [] { return binary([](auto& x, auto& y) { return x * y; }); },
                        .formula = "z = x y; dx = dz y, dy = dz x"},
                       [](auto x, auto y) { return x * y; }};
const Pointwise div_op{
    {.name = "div",
     .check =
         [] { return binary([](auto& x, auto& y) { return x / y; }, {}, {.low = 0.5, .high = 3}); },
     .formula = "z = x / y; dx = dz / y, dy = -dz z / y",
     .domain = "±inf or NaN where y is 0"},
    [](auto x, auto y) { return x / y; }};
const Pointwise neg_op{{.name = "neg",
                        .check = [] { return unary([](auto& x) { return -x; }); },
                        .formula = "-x; dx = -dy"},
                       [](auto x) { return -x; }};

// Forms with a number, which is captured. One function each: the number is no operand and no node.
constexpr auto plus_number = [](double k) { return [k](auto x) { return x + k; }; };
constexpr auto times_number = [](double k) { return [k](auto x) { return x * k; }; };
constexpr auto number_minus = [](double k) { return [k](auto x) { return k - x; }; };
constexpr auto number_over = [](double k) { return [k](auto x) { return k / x; }; };
constexpr auto over_number = [](double k) { return [k](auto x) { return x / k; }; };

const Pointwise add_number_op{{.name = "add_number",
                               .check = [] { return unary([](auto& x) { return x + 1.5; }); },
                               .formula = "x + k; dx = dy"},
                              plus_number(0)};
const Pointwise mul_number_op{{.name = "mul_number",
                               .check = [] { return unary([](auto& x) { return -2.5 * x; }); },
                               .formula = "k x; dx = k dy"},
                              times_number(1)};
const Pointwise number_minus_op{{.name = "number_minus",
                                 .check = [] { return unary([](auto& x) { return 1.5 - x; }); },
                                 .formula = "k - x; dx = -dy"},
                                number_minus(0)};
const Pointwise number_over_op{
    {.name = "number_over",
     .check = [] { return unary([](auto& x) { return 1.5 / x; }, {.low = 0.5, .high = 3}); },
     .formula = "k / x; dx = -dy y / x",
     .domain = "±inf or NaN where x is 0"},
    number_over(1)};
const Pointwise over_number_op{{.name = "over_number",
                                .check = [] { return unary([](auto& x) { return x / 3.0; }); },
                                .formula = "x / k; dx = dy / k"},
                               over_number(1)};

}  // namespace

Tensor operator+(const Tensor& x, const Tensor& y) { return add_op(x, y); }
Tensor operator-(const Tensor& x, const Tensor& y) { return sub_op(x, y); }
Tensor operator*(const Tensor& x, const Tensor& y) { return mul_op(x, y); }
Tensor operator/(const Tensor& x, const Tensor& y) { return div_op(x, y); }
Tensor operator-(const Tensor& x) { return neg_op(x); }

Tensor operator+(const Tensor& x, double y) { return add_number_op.with(plus_number(y), x); }
Tensor operator+(double x, const Tensor& y) { return add_number_op.with(plus_number(x), y); }
Tensor operator-(const Tensor& x, double y) { return add_number_op.with(plus_number(-y), x); }
Tensor operator-(double x, const Tensor& y) { return number_minus_op.with(number_minus(x), y); }
Tensor operator*(const Tensor& x, double y) { return mul_number_op.with(times_number(y), x); }
Tensor operator*(double x, const Tensor& y) { return mul_number_op.with(times_number(x), y); }
Tensor operator/(const Tensor& x, double y) { return over_number_op.with(over_number(y), x); }
Tensor operator/(double x, const Tensor& y) { return number_over_op.with(number_over(x), y); }

}  // namespace unroll
