#include <unroll/autograd/ops/activations.h>
#include <unroll/autograd/ops/check_rows.h>
#include <unroll/autograd/pointwise.h>

#include <numbers>

namespace unroll {
namespace {

using check::unary;

const Pointwise exp_op{{.name = "exp",
                        .check = [] { return unary(exp); },
                        .formula = "eˣ; dx = dy y",
                        .domain = "inf above 88.72 (f32), 709.78 (f64)",
                        .accuracy = "1.1 ulp f32, 1.0 ulp f64 over 1e7 points"},
                       [](auto x) { return exp(x); }};
const Pointwise log_op{{.name = "log",
                        .check = [] { return unary(log, {.low = 0.3, .high = 4}); },
                        .formula = "log x; dx = dy / x, ±inf at ±0",
                        .domain = "x ≥ 0, -inf at 0; NaN below",
                        .accuracy = "0.9 ulp f32, 0.9 ulp f64 over 1e7 points"},
                       [](auto x) { return log(x); }};
const Pointwise sqrt_op{{.name = "sqrt",
                         .check = [] { return unary(sqrt, {.low = 0.3, .high = 4}); },
                         .formula = "√x; dx = dy / 2y, ±inf at ±0 and NaN there for dy = 0",
                         .domain = "x ≥ 0; NaN below"},
                        [](auto x) { return sqrt(x); }};
const Pointwise square_op{
    {.name = "square", .check = [] { return unary(square); }, .formula = "x²; dx = 2 dy x"},
    [](auto x) { return x * x; }};
const Pointwise abs_op{{.name = "abs",
                        .check = [] { return unary(abs, {.avoid = {0}}); },
                        .formula = "|x|; dx = dy sign(x), 0 at 0, NaN at NaN"},
                       [](auto x) { return abs(x); }};
const Pointwise tanh_op{{.name = "tanh",
                         .check = [] { return unary(tanh); },
                         .formula = "tanh x; dx = dy (1 - y²)",
                         .accuracy = "2.5 ulp f32, 2.6 ulp f64 over 1e7 points"},
                        [](auto x) { return tanh(x); }};
const Pointwise sigmoid_op{{.name = "sigmoid",
                            .check = [] { return unary(sigmoid); },
                            .formula = "1 / (1 + e⁻ˣ); dx = dy y (1 - y)",
                            .accuracy = "2.4 ulp f32, 2.4 ulp f64 over 1e7 points"},
                           [](auto x) { return sigmoid(x); }};
const Pointwise log_sigmoid_op{{.name = "log_sigmoid",
                                .check = [] { return unary(log_sigmoid); },
                                .formula = "-softplus(-x); dx = dy sigmoid(-x)",
                                .accuracy = "1.6 ulp f32, 1.6 ulp f64 over 1e7 points"},
                               [](auto x) { return -softplus(-x); }};
const Pointwise softplus_op{{.name = "softplus",
                             .check = [] { return unary(softplus); },
                             .formula = "log(1 + eˣ); dx = dy sigmoid(x)",
                             .accuracy = "1.6 ulp f32, 1.6 ulp f64 over 1e7 points"},
                            [](auto x) { return softplus(x); }};
const Pointwise softsign_op{{.name = "softsign",
                             .check = [] { return unary(softsign, {.avoid = {0}}); },
                             .formula = "x / (1 + |x|); dx = dy / (1 + |x|)², dy at 0",
                             .domain = "NaN at ±inf",
                             .accuracy = "1.5 ulp f32, 1.5 ulp f64 over 1e7 points"},
                            [](auto x) { return x / (1.0 + abs(x)); }};
const Pointwise relu_op{
    {.name = "relu",
     .check = [] { return unary(relu, {.avoid = {0}}); },
     .formula = "max(x, 0), +0 at -0; dx = dy where x > 0 or is NaN, else 0, also at 0"},
    [](auto x) { return where(x > 0.0, x, where(x <= 0.0, 0.0, x)); }};  // NaN stays NaN
const Pointwise silu_op{{.name = "silu",
                         .check = [] { return unary(silu); },
                         .formula = "x σ(x), σ the sigmoid; dx = dy σ(x) (1 + x (1 - σ(x)))",
                         .domain = "NaN at -inf",
                         .accuracy = "3.2 ulp f32, 3.1 ulp f64 over 1e7 points; more below -80, "
                                     "where sigmoid(x) is denormal in f32"},
                        [](auto x) { return x * sigmoid(x); }};
const Pointwise gelu_op{
    {.name = "gelu",
     .check = [] { return unary(gelu); },
     .formula = "x Φ(x), Φ the normal distribution; dx = dy (Φ(x) + x Φ'(x))",
     .domain = "NaN at -inf",
     .accuracy = "1.5 ulp f32, 1.7 ulp f64 of x over 1e7 points; beside y that is a large error "
                 "for x < -3"},
    [](auto x) { return 0.5 * x * (1.0 + erf(x * (1.0 / std::numbers::sqrt2))); }};
const Pointwise selu_op{
    {.name = "selu",
     .check = [] { return unary(selu, {.avoid = {0}}); },
     .formula = "λ elu(x), λ = 1.0507…, α = 1.6733…; dx = dy λ (x > 0 ? 1 : α eˣ), dy λ α at 0",
     .accuracy = "2.4 ulp f32, 2.1 ulp f64 over 1e7 points"},
    [](auto x) {
      constexpr double scale = 1.0507009873554804934193349852946;
      constexpr double alpha = 1.6732632423543772848170429916717;
      return scale * where(x > 0.0, x, alpha * expm1(x));
    }};

constexpr auto leaky = [](double slope) {
  return [slope](auto x) { return where(x > 0.0, x, slope * x); };
};
const Pointwise leaky_relu_op{
    {.name = "leaky_relu",
     .check = [] { return unary([](auto& x) { return leaky_relu(x, 0.1); }, {.avoid = {0}}); },
     .formula = "x > 0 ? x : slope x; dx = dy (x > 0 ? 1 : slope), dy slope at 0 and NaN"},
    leaky(0.01)};

constexpr auto exponential_linear = [](double alpha) {
  return [alpha](auto x) { return where(x > 0.0, x, alpha * expm1(x)); };
};
const Pointwise elu_op{
    {.name = "elu",
     .check = [] { return unary([](auto& x) { return elu(x, 1.3); }, {.avoid = {0}}); },
     .formula = "x > 0 ? x : α (eˣ - 1); dx = dy (x > 0 ? 1 : α eˣ), dy α at 0",
     .accuracy = "1.2 ulp f32, 1.2 ulp f64 over 1e7 points (α = 1)"},
    exponential_linear(1)};

const Pointwise hard_sigmoid_op{
    {.name = "hard_sigmoid",
     .check =
         [] {
           return unary(hard_sigmoid, {.low = -5, .high = 5, .avoid = {-3, 3}});
         },
     .formula = "clamp((x + 3) / 6, 0, 1); dx = dy / 6 where -3 ≤ x ≤ 3 or NaN, else 0",
     .accuracy = "1.0 ulp f32, 1.0 ulp f64 over 1e7 points"},
    [](auto x) { return where(x < -3.0, 0.0, where(x > 3.0, 1.0, (x + 3.0) / 6.0)); }};

}  // namespace

Tensor exp(const Tensor& x) { return exp_op(x); }
Tensor log(const Tensor& x) { return log_op(x); }
Tensor sqrt(const Tensor& x) { return sqrt_op(x); }
Tensor square(const Tensor& x) { return square_op(x); }
Tensor abs(const Tensor& x) { return abs_op(x); }
Tensor tanh(const Tensor& x) { return tanh_op(x); }
Tensor sigmoid(const Tensor& x) { return sigmoid_op(x); }
Tensor log_sigmoid(const Tensor& x) { return log_sigmoid_op(x); }
Tensor softplus(const Tensor& x) { return softplus_op(x); }
Tensor softsign(const Tensor& x) { return softsign_op(x); }
Tensor relu(const Tensor& x) { return relu_op(x); }
Tensor leaky_relu(const Tensor& x, double slope) { return leaky_relu_op.with(leaky(slope), x); }
Tensor elu(const Tensor& x, double alpha) { return elu_op.with(exponential_linear(alpha), x); }
Tensor selu(const Tensor& x) { return selu_op(x); }
Tensor gelu(const Tensor& x) { return gelu_op(x); }
Tensor silu(const Tensor& x) { return silu_op(x); }
Tensor hard_sigmoid(const Tensor& x) { return hard_sigmoid_op(x); }

}  // namespace unroll
