#include <unroll/autograd/detail/generate.h>
#include <unroll/autograd/ops/check_rows.h>
#include <unroll/autograd/ops/dropout.h>
#include <unroll/autograd/ops/relations.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/autograd/rng.h>
#include <unroll/autograd/tape.h>

#include <cmath>

namespace unroll {
namespace {

const Pointwise dropout_op{
    {.name = "dropout",
     .check =
         [] { return check::unary([](auto& x) { return dropout(x, check::every_third(x)); }); },
     .formula = "mask x; dx = mask dy; both exactly 0 where the mask is"},
    [](auto x, auto mask) { return where(mask != 0.0, x * mask, 0.0); }};

void check_rate(double rate) {
  if (!(rate >= 0 && rate < 1))
    fail("dropout",
         {.given = "rate " + std::to_string(rate), .needed = "0 <= rate < 1", .hint = {}});
}

}  // namespace

Tensor dropout_mask(const Shape& shape, double rate, DType dtype) {
  check_rate(rate);
  detail::require_floating_dtype("dropout", dtype);
  const Rng stream = detail::next_random_stream();
  Tensor mask = detail::empty(shape, dtype);
  const auto limit = static_cast<std::uint32_t>(std::min(std::ldexp(rate, 32), 4294967295.0));
  visit_floating(dtype, [&]<class T>(T) {
    const T kept = static_cast<T>(1.0 / (1.0 - rate));
    T* to = detail::data<T>(mask);
    // Four elements from one call, whose number they alone decide.
    constexpr Index task = 1 << 14;
    detail::parallel_for(mask.size(), task, [&](Index begin, Index end) {
      for (Index i = begin; i < end; i += 4) {
        const auto bits =
            detail::philox(stream.key, static_cast<std::uint64_t>(i / 4), stream.counter);
        for (Index k = 0; k < std::min<Index>(4, end - i); ++k)
          to[i + k] = bits[static_cast<std::size_t>(k)] < limit ? T(0) : kept;
      }
    });
  });
  return mask;
}

Tensor dropout(const Tensor& x, double rate) {
  detail::require_floating("dropout", "x", x);
  if (!is_training() || rate == 0) {
    check_rate(rate);
    return x;
  }
  return dropout_op(x, dropout_mask(x.shape(), rate, x.dtype()));
}

Tensor dropout(const Tensor& x, const Tensor& mask) {
  detail::require_floating("dropout", "x", x);
  detail::require_floating("dropout", "mask", mask);
  detail::require_same_dtype("dropout", x, mask);
  return dropout_op(x, detail::mask_in("dropout", mask, x.dtype()));
}

}  // namespace unroll
