#pragma once

#include "support/rule_case.h"

// Operations with right derivative rules, written down by hand.
namespace unroll::test::base {

BaseRule tanh(const Shape& shape = {2, 3});
BaseRule sigmoid();
BaseRule exp();
BaseRule cube();
BaseRule silu();
BaseRule softplus();
BaseRule log();
BaseRule sqrt();
BaseRule square_sum(Index count);  // Σ x² of a vector

BaseRule add(const Shape& a = {2, 3}, const Shape& b = {3});
BaseRule sub();
BaseRule mul(const Shape& a = {2, 3}, const Shape& b = {3});
BaseRule div();
BaseRule power();  // a to the b

BaseRule matmul(Index rows = 2, Index depth = 3, Index columns = 2);
BaseRule affine();
BaseRule outer();
BaseRule attention();  // softmax(q·kᵀ)·v

BaseRule sum();   // over axis 0
BaseRule mean();  // over axis 0
BaseRule prod();  // these over the last axis
BaseRule logsumexp();
BaseRule norm();
BaseRule softmax();
BaseRule log_softmax();
BaseRule layer_norm();  // with weight and bias
BaseRule unit();        // rows of length 1

BaseRule transpose();
BaseRule cumsum();
BaseRule difference();  // of neighbours in time
BaseRule concat();
BaseRule rows();  // of a table, some of them twice

BaseRule mse();
BaseRule cross_entropy();

BaseRule lstm_step();  // gates, bias, c → h and c' side by side
BaseRule gru_step();   // gates of the input, product of the state, h → h'

// h_t = tanh(x_t + h_{t-1}·W) over time, with x [T, B, n], W [n, n], h_0 [B, n], and what can go
// wrong on the way back.
enum class InTime {
  right,
  off_by_one,      // h_t where h_{t-1} belongs
  last_step_only,  // the gradient of W is overwritten in every step
  truncated,       // nothing flows from one step to the one before
  mask_ignored,    // the gradient passes through padded steps as through others
  padding_leaks,   // padded steps of x get a gradient
  stale_state      // the first state's gradient is that after one step more
};
BaseRule recurrent(InTime mistake = InTime::right, std::vector<Index> lengths = {});

}  // namespace unroll::test::base
