#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/ops/rearrange.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/conv1d.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {
namespace {

Conv1d::Options checked(Conv1d::Options o) {
  constexpr const char* hint = "nn::Conv1d conv({.input = 64, .output = 128, .kernel = 3})";
  require_size("conv1d", "input", o.input, hint);
  require_size("conv1d", "output", o.output, hint);
  require_size("conv1d", "kernel", o.kernel, hint);
  require_size("conv1d", "stride", o.stride, hint);
  require_size("conv1d", "dilation", o.dilation, hint);
  return o;
}

}  // namespace

Conv1d::Conv1d(Options o)
    : options(checked(std::move(o))),
      W(*this, "W", {options.kernel, options.input, options.output},
        [&](const Shape& shape, DType dtype, Rng& rng) {
          const Shape flat{options.kernel * options.input, options.output};
          return reshape(options.init(flat, dtype, rng), shape);
        }) {
  if (options.bias) b.emplace(*this, "b", Shape{options.output}, init::zeros());
}

Tensor Conv1d::operator()(const Tensor& x) const {
  const Scope here(*this);
  unroll::detail::require_floating("conv1d", "x", x);
  if (x.rank() != 3 || x.size(2) != options.input)
    fail("conv1d",
         {.given = "x " + unroll::describe(x),
          .needed = "x [T, B, " + std::to_string(options.input) + "]",
          .hint = "sequences are time-major; options .input is " + std::to_string(options.input)});
  const Index reach = (options.kernel - 1) * options.dilation;  // steps from first to last tap
  const Index zeros_around = options.padding == Padding::none ? 0 : reach;
  const Index in_front = options.padding == Padding::causal ? reach : zeros_around / 2;
  Tensor padded = x;
  if (zeros_around > 0)
    padded = pad(x, {{.axis = 0, .before = in_front, .after = zeros_around - in_front}});
  const Index steps = padded.size(0) - reach;
  if (steps <= 0)
    fail("conv1d", {.given = "x " + unroll::describe(x),
                    .needed = "at least " + std::to_string(reach + 1 - zeros_around) + " steps",
                    .hint = "{.padding = nn::Padding::same}"});
  std::vector<Tensor> taps;  // what each of them sees at all steps
  for (Index k = 0; k < options.kernel; ++k)
    taps.push_back(slice(padded, {.from = k * options.dilation,
                                  .to = k * options.dilation + steps,
                                  .step = options.stride}));
  const Tensor flat = reshape(W, {options.kernel * options.input, options.output});
  const Tensor seen = taps.size() == 1 ? taps.front() : concat(taps, -1);
  return after_forward(b ? affine(seen, flat, *b) : matmul(seen, flat));
}

}  // namespace unroll::nn
