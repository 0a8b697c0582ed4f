// Layers that are no recurrence: norms, convolution over time, sequences of layers, shared weights.
#include <filesystem>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_fixture.h"
#include "support/recurrent_layers.h"
#include "support/source_tree.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

void check_close(const Tensor& a, const Tensor& b, const std::string& what) {
  BOOST_TEST_CONTEXT(what)
  BOOST_TEST(disagreement(contiguous(a), contiguous(b), {.relative = 1e-12}) == "");
}

nn::Safetensors layers_file() {
  return nn::Safetensors::open(source_tree("tests/fixtures/layers.safetensors"));
}

// The gradients of Σ w·y with respect to everything, against those of a case in the file.
template <class Layer>
void check_case(const Layer& layer, const nn::Safetensors& file, const std::string& name) {
  const auto at = [&](const std::string& tensor) { return file[name + "/" + tensor]; };
  for (const auto& [path, p] : layer.parameters()) unroll::detail::overwrite(p, at(path), "test");
  Tape tape;
  const Tensor x = tape.watch(at("x"));
  const Tensor y = layer(x);
  check_close(y, at("y"), name);
  std::vector<Tensor> leaves{x};
  std::vector<std::string> names{"x"};
  for (const auto& [path, p] : layer.parameters()) {
    leaves.push_back(p);
    names.push_back(path);
  }
  const auto gradients = tape.gradient(sum(y * at("w")), leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i)
    check_close(gradients[i], at("grad." + names[i]), name + ", gradient of " + names[i]);
}

struct Tied : nn::Module {
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = 5, .size = 3}};
  nn::Child<nn::RNN> rnn{*this, "rnn", {.input = 3, .hidden = 3}};
  nn::Child<nn::TiedLinear> head{*this, "head", {.W = &embed.W}};

  Tensor operator()(const Tensor& ids) const { return head(rnn(embed(ids)).outputs); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(layers)

BOOST_AUTO_TEST_CASE(layer_norm_as_torch) {
  nn::LayerNorm norm({.size = 5});
  norm.to(f64);
  check_case(norm, layers_file(), "layer_norm");
}

BOOST_AUTO_TEST_CASE(layer_norm_options) {
  const nn::LayerNorm norm({.size = 4, .bias = false});
  BOOST_TEST(norm.parameters().size() == 1);
  const Tensor x = tensor({{1.0, 2.0, 3.0, 4.0}, {5.0, 5.0, 5.0, 5.0}});
  const Tensor y = norm(x);
  BOOST_TEST(y.span<float>()[3] == 1.3416355F, boost::test_tools::tolerance(1e-6F));
  for (std::size_t i = 4; i < 8; ++i) BOOST_TEST(y.span<float>()[i] == 0.0F);
  check_text(
      [&] {
        static_cast<void>(norm(zeros({2, 3})));
      },
      "[layer_norm] x f32 [2, 3]; needed x [..., 4]; hint: options .size is 4");
  check_text([] { nn::LayerNorm({}); },
             "[layer_norm] size is 0; needed size > 0; hint: nn::LayerNorm norm({.size = 128})");
  check_text([] { nn::LayerNorm({.size = 2, .epsilon = -1}); },
             "[layer_norm] epsilon -1.000000; needed epsilon > 0");
}

BOOST_AUTO_TEST_CASE(rms_norm) {
  nn::RMSNorm norm({.size = 4, .epsilon = 1e-3});
  norm.to(f64);
  randomize(norm, 3);
  const Tensor x = random_values({2, 3, 4}, 1);
  const auto in = values(x), gain = values(norm.weight), out = values(norm(x));
  for (std::size_t r = 0; r < in.size(); r += 4) {
    double squares = 0;
    for (std::size_t i = r; i < r + 4; ++i) squares += in[i] * in[i];
    for (std::size_t i = r; i < r + 4; ++i)
      BOOST_TEST(out[i] == in[i] / std::sqrt(squares / 4 + 1e-3) * gain[i - r],
                 boost::test_tools::tolerance(1e-14));
  }
  const Tensor w = random_values(x.shape(), 2);
  const Function f = [&](std::span<const Tensor> at) { return norm(at[0]); };
  Tape tape;
  const Tensor leaf = tape.watch(x);
  const Tensor analytic = tape.gradient(sum(norm(leaf) * w), leaf);
  const std::vector<Tensor> point{x};
  BOOST_TEST(disagreement(analytic, numeric_gradient(f, point, 0, w, 1e-3).gradient, {}) == "");
  check_text([] { nn::RMSNorm({}); },
             "[rms_norm] size is 0; needed size > 0; hint: nn::RMSNorm norm({.size = 128})");
}

BOOST_AUTO_TEST_CASE(convolutions_as_torch) {
  const auto file = layers_file();
  const auto check = [&](const std::string& name, const nn::Conv1d::Options& options) {
    nn::Conv1d conv(options);
    conv.to(f64);
    check_case(conv, file, name);
  };
  check("conv/plain", {.input = 3, .output = 2, .kernel = 3});
  check("conv/point", {.input = 3, .output = 2, .kernel = 1});
  check("conv/stride", {.input = 2, .output = 3, .kernel = 3, .stride = 2});
  check("conv/dilated", {.input = 2, .output = 3, .kernel = 2, .stride = 2, .dilation = 3});
  check("conv/same",
        {.input = 2, .output = 2, .kernel = 3, .dilation = 2, .padding = nn::Padding::same});
  check("conv/even", {.input = 2, .output = 2, .kernel = 4, .padding = nn::Padding::same});
  check("conv/causal",
        {.input = 2, .output = 2, .kernel = 3, .dilation = 2, .padding = nn::Padding::causal});
  check("conv/no-bias", {.input = 1, .output = 2, .kernel = 2, .bias = false});
}

BOOST_AUTO_TEST_CASE(causal_sees_no_later_step) {
  nn::Conv1d conv(
      {.input = 2, .output = 3, .kernel = 3, .dilation = 2, .padding = nn::Padding::causal});
  const Tensor x = random_values({8, 2, 2}, 1, f32);
  const Tensor other = concat({slice(x, {.to = 5}), random_values({3, 2, 2}, 2, f32)}, 0);
  const Tensor y = conv(x), z = conv(other);
  BOOST_TEST(y.shape() == (Shape{8, 2, 3}));
  BOOST_TEST(all_equal(contiguous(slice(y, {.to = 5})), contiguous(slice(z, {.to = 5}))));
  BOOST_TEST(!all_equal(contiguous(select(y, 0, 5)), contiguous(select(z, 0, 5))).ok());
}

BOOST_AUTO_TEST_CASE(conv_texts) {
  const nn::Conv1d conv({.input = 2, .output = 3, .kernel = 3, .dilation = 2});
  check_text(
      [&] {
        static_cast<void>(conv(zeros({4, 1, 2})));
      },
      "[conv1d] x f32 [4, 1, 2]; needed at least 5 steps; hint: {.padding = "
      "nn::Padding::same}");
  check_text(
      [&] {
        static_cast<void>(conv(zeros({4, 1, 3})));
      },
      "[conv1d] x f32 [4, 1, 3]; needed x [T, B, 2]; hint: sequences are time-major; options "
      ".input is 2");
  check_text(
      [] { nn::Conv1d({.input = 2, .output = 3}); },
      "[conv1d] kernel is 0; needed kernel > 0; hint: nn::Conv1d conv({.input = 64, .output = "
      "128, .kernel = 3})");
  BOOST_TEST(conv(zeros({5, 0, 2})).shape() == (Shape{1, 0, 3}));
}

BOOST_AUTO_TEST_CASE(sequential) {
  nn::Sequential net;
  const nn::Linear& first = net.add<nn::Linear>({.input = 2, .output = 4});
  net.add([](const Tensor& x) { return tanh(x); });
  const nn::Linear& second = net.add<nn::Linear>({.input = 4, .output = 1});
  const Tensor x = random_values({3, 2}, 1, f32);
  BOOST_TEST(all_equal(net(x), second(tanh(first(x)))));
  BOOST_TEST(net.size() == 3);
  std::vector<std::string> paths;
  for (const auto& [path, p] : net.parameters()) paths.push_back(path);
  const std::vector<std::string> expected{"0.W", "0.b", "2.W", "2.b"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
  BOOST_TEST(all_equal(nn::Sequential()(x), x));
  check_text(
      [&] { net.add(std::function<Tensor(const Tensor&)>()); },
      "[sequential] an empty function; needed a module or a function; hint: net.add([](const "
      "Tensor& x) { return tanh(x); })");
}

BOOST_AUTO_TEST_CASE(sequential_as_a_part) {
  struct Net : nn::Module {
    nn::Sequential body{*this, "body"};
    Net() {
      body.add<nn::Conv1d>({.input = 2, .output = 3, .kernel = 2});
      body.add<nn::LayerNorm>({.size = 3});
      body.add<nn::Dropout>({.rate = 0.5});
    }
  } net;
  std::vector<std::string> paths;
  for (const auto& [path, p] : net.parameters()) paths.push_back(path);
  const std::vector<std::string> expected{"body.0.W", "body.0.b", "body.1.weight", "body.1.bias"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
  net.eval();
  const Tensor x = random_values({4, 2, 2}, 1, f32);
  Tape tape;
  BOOST_TEST(all_equal(net.body(x), net.body(x)));
  check_text(
      [&] {
        static_cast<void>(net.body(zeros({4, 2, 3})));
      },
      "[conv1d] at body.0: x f32 [4, 2, 3]; needed x [T, B, 2]; hint: sequences are "
      "time-major; options .input is 2");
}

// One name, one entry in the file, one gradient that is the sum of both uses.
BOOST_AUTO_TEST_CASE(tied_weights) {
  Tied model;
  model.to(f64);
  randomize(model, 4);
  std::vector<std::string> paths;
  for (const auto& [path, p] : model.parameters()) paths.push_back(path);
  const std::vector<std::string> expected{"embed.W", "rnn.0.forward.Wx", "rnn.0.forward.Wh",
                                          "rnn.0.forward.b", "head.b"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());

  const Tensor ids = tensor({{1, 4}, {1, 0}});
  Tape tape;
  const auto grads = tape.backward(sum(model(ids) * random_values({2, 2, 5}, 3)));
  const std::vector<Tensor> point{detach(model.embed.W)};
  const Function f = [&](std::span<const Tensor> at) {
    unroll::detail::overwrite(model.embed.W, at[0], "difference");
    return model(ids);
  };
  const Tensor found = grads[model.embed.W];
  const Tensor at_rest = from(std::span<const double>(values(point[0])), {5, 3});
  const std::vector<Tensor> rest{at_rest};
  BOOST_TEST(disagreement(found, numeric_gradient(f, rest, 0, random_values({2, 2, 5}, 3)).gradient,
                          {}) == "");

  const TemporaryFolder folder;
  const std::string path = folder / "tied.safetensors";
  nn::save(model, path);
  BOOST_TEST(nn::Safetensors::open(path).names().size() == 5U);
  Tied other;
  other.to(f64);
  nn::load(other, path);
  BOOST_TEST(all_equal(other(ids), model(ids)));
  check_text(
      [] { nn::TiedLinear({}); },
      "[tied_linear] no W; needed a parameter [output, input]; hint: nn::TiedLinear head({.W = "
      "&embed.W})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
