// Operations with mistakes, for a build of unroll-gradcheck that must find them.
#include <unroll/autograd/backward.h>
#include <unroll/autograd/operation.h>
#include <unroll/unroll.h>

namespace unroll {
namespace {

Check check_of(Tensor (*f)(const Tensor&)) {
  return {.cases = {{.name = "x",
                     .inputs = {{.shape = {3, 4}, .low = 0.5, .high = 2}},
                     .call = [f](std::span<const Tensor> in) { return f(in[0]); }}},
          .elementwise = true};
}

Tensor squared(const Tensor& x) {
  const detail::WithoutTape quiet;
  return x * x;
}

// x² with 2.001 x as its derivative.
Tensor wrong_once(const Tensor& x);
const RegisteredOperation wrong_once_op{{.name = "wrong_once",
                                         .derivative =
                                             [](Backward& b) {
                                               const Tensor dy = b.upstream();
                                               if (dy.defined()) b.add(0, dy * b.saved(0) * 2.001);
                                             },
                                         .check = [] { return check_of(wrong_once); },
                                         .formula = "x²; dx = 2.001 x dy"}};
Tensor wrong_once(const Tensor& x) { return detail::record(wrong_once_op, {&x}, squared(x), {&x}); }

// x² with a derivative that is right, and has none itself.
Tensor wrong_twice(const Tensor& x);
const RegisteredOperation wrong_twice_op{{.name = "wrong_twice",
                                          .derivative =
                                              [](Backward& b) {
                                                const Tensor dy = b.upstream();
                                                if (dy.defined())
                                                  b.add(0, dy * detach(b.saved(0)) * 2.0);
                                              },
                                          .check = [] { return check_of(wrong_twice); },
                                          .formula = "x²; dx = 2 x dy"}};
Tensor wrong_twice(const Tensor& x) {
  return detail::record(wrong_twice_op, {&x}, squared(x), {&x});
}

const RegisteredOperation unchecked_op{{.name = "wrong_unchecked", .formula = "x"}};
const RegisteredOperation caseless_op{
    {.name = "wrong_caseless", .check = [] { return Check{}; }, .formula = "x"}};

}  // namespace
}  // namespace unroll
