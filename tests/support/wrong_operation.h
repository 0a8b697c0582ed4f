#pragma once

#include <unroll/autograd/autograd.h>
#include <unroll/autograd/backward.h>

// Operations with derivative rules that are wrong on purpose, for judging what judges rules.
namespace unroll::test {

enum class Wrong : int {
  nothing,
  everywhere,      // by one part in ten thousand
  one_element,     // the last one alone
  when_strided,    // only where the operand does not lie in one piece
  when_added,      // writes over what is there
  when_recorded,   // only where it is recorded
  when_in_place,   // only where it is not
  in_second_order  // right, but constant to a second derivative
};

// x·x, with that mistake in its derivative.
Tensor wrong_square(const Tensor& x, Wrong wrong);
// sin(x) and cos(x) as two results of one operation; the derivative of one of them is wrong;
// 2: of the first, where no gradient flows into the second.
std::array<Tensor, 2> wrong_sin_cos(const Tensor& x, Index which);
// a + 2·b, whose rule takes one operand for the other where `wrong`.
Tensor wrong_sum(const Tensor& a, const Tensor& b, bool wrong);
// max(x, 0), whose rule gives twice the slope.
Tensor wrong_slope_of_relu(const Tensor& x);
// x·factor, where factor is no operand.
Tensor hidden_product(const Tensor& x, const Tensor& factor);

}  // namespace unroll::test
