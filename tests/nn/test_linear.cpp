// Linear, Embedding and Dropout.
#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(linear)

BOOST_AUTO_TEST_CASE(values_and_gradients) {
  nn::Linear layer({.input = 2, .output = 3});
  layer.W.assign(tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}));
  layer.b->assign(tensor({0.5, 0.25, -1.0}));
  Tape tape;
  const Tensor x = tape.watch(tensor({{{1.0, -1.0}}, {{2.0, 0.5}}}));
  const Tensor y = layer(x);
  BOOST_TEST(all_equal(y, tensor({{{-2.5, -2.75, -4.0}}, {{4.5, 6.75, 8.0}}})));
  const Tensor w = tensor({{{1.0, 0.0, 2.0}}, {{0.0, -1.0, 1.0}}});
  BOOST_TEST(all_equal(tape.gradient(sum(y * w), x), tensor({{{7.0, 16.0}}, {{1.0, 1.0}}})));
  const auto grads = tape.backward(sum(y * w));
  BOOST_TEST(all_equal(grads[layer.W], tensor({{1.0, -2.0, 4.0}, {-1.0, -0.5, -1.5}})));
  BOOST_TEST(all_equal(grads[*layer.b], tensor({1.0, -1.0, 3.0})));
}

BOOST_AUTO_TEST_CASE(without_bias) {
  nn::Linear layer({.input = 2, .output = 3, .bias = false, .init = init::constant(2)});
  BOOST_TEST(!layer.b.has_value());
  BOOST_TEST(layer.parameters().size() == 1);
  BOOST_TEST(all_equal(layer(tensor({{1.0, 2.0}})), full({1, 3}, 6)));
}

BOOST_AUTO_TEST_CASE(embeds) {
  nn::Embedding layer({.count = 3, .size = 2});
  layer.W.assign(tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}));
  Tape tape;
  const Tensor y = layer(tensor({{2, 0}, {2, 2}}));
  BOOST_TEST(all_equal(y, tensor({{{5.0, 6.0}, {1.0, 2.0}}, {{5.0, 6.0}, {5.0, 6.0}}})));
  const auto grads =
      tape.backward(sum(y * tensor({{{1.0, 10.0}, {2.0, 20.0}}, {{3.0, 30.0}, {4.0, 40.0}}})));
  BOOST_TEST(all_equal(grads[layer.W], tensor({{2.0, 20.0}, {0.0, 0.0}, {8.0, 80.0}})));
  BOOST_TEST(error_text([&] {
               static_cast<void>(layer(tensor({0, 3})));
             }).starts_with("[embedding] "));
}

BOOST_AUTO_TEST_CASE(embeds_with_padding) {
  seed(7);
  const nn::Embedding plain({.count = 4, .size = 2});
  for (const Index padding : {0, 2, 3}) {
    seed(7);
    nn::Embedding layer({.count = 4, .size = 2, .padding = padding});
    for (Index id = 0; id < 4; ++id)
      BOOST_TEST(
          all_equal(select(layer.W, 0, id), id == padding ? zeros({2}) : select(plain.W, 0, id)));
    layer.W.assign(ones({4, 2}));  // whatever stands there is looked up
    const Tensor factors = tensor({{1.0, 10.0}, {2.0, 20.0}, {3.0, 30.0}, {4.0, 40.0}});
    const Tensor ids = tensor({padding, Index{1}, padding, Index{1}});
    const Tensor expected = tensor({{0.0, 0.0}, {6.0, 60.0}, {0.0, 0.0}, {0.0, 0.0}});
    Tape tape;
    const Tensor y = layer(ids);
    BOOST_TEST(all_equal(y, ones({4, 2})));
    const Tensor loss = sum(y * factors);
    BOOST_TEST(all_equal(tape.gradient(loss, layer.W, {.differentiable = true}), expected));
    const auto grads = tape.backward(loss);
    BOOST_TEST(all_equal(grads.find(layer.W)->sparse.ids, tensor({1})));
    BOOST_TEST(all_equal(grads[layer.W], expected));
  }
  const std::string needed = " of 3 rows; needed 0 … 2";
  BOOST_TEST(error_text([] { nn::Embedding({.count = 3, .size = 2, .padding = 3}); }) ==
             "[embedding] padding 3" + needed);
  BOOST_TEST(error_text([] { nn::Embedding({.count = 3, .size = 2, .padding = -1}); }) ==
             "[embedding] padding -1" + needed);
}

BOOST_AUTO_TEST_CASE(drops) {
  nn::Dropout layer({.rate = 0.5});
  const Tensor x = full({1000}, 3);
  BOOST_TEST(all_equal(layer(x), x));
  Tape tape;
  const Tensor watched = tape.watch(x);
  const Tensor y = layer(watched);
  Index kept = 0;
  for (const double v : values(y)) {
    BOOST_TEST((v == 0 || v == 6));
    kept += v == 6;
  }
  BOOST_TEST(kept > 420);  // of 1000, deviation 16
  BOOST_TEST(kept < 580);
  BOOST_TEST(all_equal(tape.gradient(sum(y), watched), y / 3.0));  // through the same mask
  layer.eval();
  BOOST_TEST(all_equal(layer(x), x));
  layer.train();
  BOOST_TEST(!all_equal(layer(x), x).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
