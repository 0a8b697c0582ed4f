#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>

#include <type_traits>

namespace unroll {
namespace {

const RegisteredOperation to_op{
    {.name = "to",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined()) b.add(0, g.to(b.attributes<DType>()));
         },
     .check =
         [] {
           return Check{
               .cases = {{.name = "same dtype",
                          .inputs = {{.shape = {2, 3}}},
                          .call = [](std::span<const Tensor> in) { return in[0].to(f64); }}}};
         },
     .formula = "the same values in another dtype"}};

}  // namespace

Tensor Tensor::to(DType wanted) const {
  const DType own = dtype();
  if (own == wanted) return *this;
  const Tensor from = detail::dense_copy(*this);
  Tensor y = detail::empty(shape(), wanted);
  visit(own, [&]<class From>(From) {
    visit(wanted, [&]<class To>(To) {
      for (Index i = 0; i < y.size(); ++i) {
        const From value = detail::data<From>(from)[i];
        if constexpr (std::is_floating_point_v<From> && std::is_same_v<To, Index>)
          if (!detail::fits_index(static_cast<double>(value)))
            detail::fail_beyond_index("to", static_cast<double>(value),
                                      " at " + detail::index_text(i, y.shape()));
        detail::data<To>(y)[i] = static_cast<To>(value);
      }
    });
  });
  if (!is_floating(own) || !is_floating(wanted)) return y;
  return detail::record(to_op, {this}, y, {}, own);
}

}  // namespace unroll
