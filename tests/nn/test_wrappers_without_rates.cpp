// With rates of 0, wrappers around a cell are that cell, to the bit and by the names of parameters.
#include <boost/test/unit_test.hpp>

#include "nn/own_cell.h"
#include "support/recurrent_layers.h"
#include "support/same_bits.h"

namespace unroll::test {
namespace {

template <class C>
using All = nn::Zoneout<nn::VariationalDropout<nn::WeightDrop<C>>>;

static_assert(nn::Cell<All<nn::LSTMCell>>);

std::vector<Tensor> training_step(const auto& layer, const Tensor& input,
                                  std::span<const Index> lengths) {
  seed(11);
  Tape tape;
  const Tensor x = tape.watch(input);
  const auto out = layer(x, {.lengths = lengths});
  std::vector<Tensor> all = tensors_of(detach(out.state));
  all.push_back(detach(out.outputs));
  const Tensor loss = weighted_sum(out);
  all.push_back(tape.gradient(loss, x));
  const auto grads = tape.backward(loss);
  for (const auto& [path, p] : layer.parameters()) all.push_back(grads[p]);
  return all;
}

template <class C, class Wrapped>
void check_no_rate(Index layers, bool bidirectional) {
  nn::Recurrent<C> plain(
      {.input = 3, .hidden = 4, .layers = layers, .bidirectional = bidirectional});
  nn::Recurrent<Wrapped> wrapped(
      {.input = 3, .hidden = 4, .layers = layers, .bidirectional = bidirectional});
  nn::copy_values(plain, wrapped);  // throws unless the paths are the same
  const Tensor x = random_values({4, 3, 3}, 1, f32);
  const std::vector<Index> lengths{4, 2, 1};
  for (const auto& given : {std::vector<Index>{}, lengths})
    check_bits(training_step(wrapped, x, given), training_step(plain, x, given));
}

template <class C>
void check_no_rates() {
  for (Index layers = 1; layers <= 4; ++layers)
    for (const bool bidirectional : {false, true}) check_no_rate<C, All<C>>(layers, bidirectional);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(wrappers_without_rates)

BOOST_AUTO_TEST_CASE(lstm) { check_no_rates<nn::LSTMCell>(); }
BOOST_AUTO_TEST_CASE(gru) { check_no_rates<nn::GRUCell>(); }
BOOST_AUTO_TEST_CASE(reset_first) { check_no_rates<nn::ResetFirstGRUCell>(); }
BOOST_AUTO_TEST_CASE(rnn) { check_no_rates<nn::RNNCell>(); }
BOOST_AUTO_TEST_CASE(cell_of_ones_own) { check_no_rates<Simple>(); }
BOOST_AUTO_TEST_CASE(stack) {
  using Two = nn::Stack<nn::GRUCell, Simple>;
  check_no_rate<Two, nn::Zoneout<nn::WeightDrop<Two>>>(2, true);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
