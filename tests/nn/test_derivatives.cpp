// Derivatives of models: identities between products, for every kind of layer, and what modules add.
#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

double inner(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }

double inner(const Gradients& a, const Gradients& b) {
  double total = 0;
  for (const auto& entry : a) total += inner(a[entry.parameter], b[entry.parameter]);
  return total;
}

Gradients random_direction(const nn::Module& model, std::uint64_t number) {
  Gradients all;
  for (const auto& [path, p] : model.parameters())
    all.insert({.parameter = p,
                .path = unroll::detail::leaf_path(*p.header()),
                .dense = random_values(p.shape(), ++number, p.dtype())});
  return all;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-12 * (1 + std::abs(a) + std::abs(b)); }

// u·(J v) = (Jᵀ u)·v and v·(H w) = w·(H v), by weights and by the input; hvp along a difference of
// gradients.
template <class Layer>
void check_identities(typename Layer::Options options, const std::vector<Index>& lengths = {}) {
  options.input = 3;
  options.hidden = 4;
  Layer layer(options);
  layer.to(f64);
  randomize(layer, 5);
  const Tensor x = random_values({4, 3, 3}, 1);
  const auto outputs_of = [&](const Tensor& p) { return layer(p, {.lengths = lengths}).outputs; };
  const auto outputs = [&] { return outputs_of(x); };
  const auto loss = [&] { return sum(square(outputs()) * outputs()); };
  const auto loss_of = [&](const Tensor& p) { return sum(square(outputs_of(p)) * outputs_of(p)); };
  const Tensor u = random_values({4, 3, layer.output_size()}, 2);
  const Gradients v = random_direction(layer, 10), w = random_direction(layer, 90);
  const Tensor vx = random_values(x.shape(), 3), wx = random_values(x.shape(), 4);
  const double size = gradient(layer, loss).norm();
  BOOST_TEST(size > 0.01);

  BOOST_TEST(
      near(inner(u, jvp(layer, outputs, v).product), inner(vjp(layer, outputs, u).product, v)));
  BOOST_TEST(
      near(inner(u, jvp(outputs_of, x, vx).product), inner(vjp(outputs_of, x, u).product, vx)));
  const Gradients Hv = hvp(layer, loss, v);
  BOOST_TEST(Hv.norm() > 0.01);
  BOOST_TEST(near(inner(Hv, w), inner(hvp(layer, loss, w), v)));
  BOOST_TEST(near(inner(hvp(loss_of, x, vx), wx), inner(hvp(loss_of, x, wx), vx)));
}

struct Tagger : nn::Module {
  struct Options {
    Index vocab = 7;
    double dropout = 0;
  };
  explicit Tagger(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = options.vocab, .size = 3}};
  nn::Child<nn::LSTM> lstm{
      *this, "lstm", {.input = 3, .hidden = 4, .layers = 2, .dropout = options.dropout}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 4, .output = options.vocab}};
  Tensor operator()(const Tensor& ids) const { return head(lstm(embed(ids)).outputs); }
};

struct Batch {
  Tensor ids;      // [T, B]
  Tensor targets;  // [T, B]
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_derivatives)

BOOST_AUTO_TEST_CASE(rnn) {
  check_identities<nn::RNN>({.layers = 3});
  check_identities<nn::RNN>({.layers = 2, .bidirectional = true}, {3, 4, 1});
}
BOOST_AUTO_TEST_CASE(lstm) {
  check_identities<nn::LSTM>({.layers = 3});
  check_identities<nn::LSTM>({.layers = 2, .bidirectional = true}, {3, 4, 1});
  check_identities<nn::LSTM>({.cell = {.projection = 2}});
}
BOOST_AUTO_TEST_CASE(gru) {
  check_identities<nn::GRU>({.layers = 3});
  check_identities<nn::GRU>({.layers = 2, .bidirectional = true}, {3, 4, 1});
  check_identities<nn::Recurrent<nn::ResetFirstGRUCell>>({.layers = 2});
}
BOOST_AUTO_TEST_CASE(other_cells) {
  check_identities<nn::Recurrent<nn::PeepholeLSTMCell>>({.layers = 2});
  check_identities<nn::Recurrent<nn::LayerNormLSTMCell>>({});
  check_identities<nn::Recurrent<nn::MGUCell>>({.bidirectional = true}, {1, 2, 4});
  check_identities<nn::Recurrent<nn::WeightDrop<nn::GRUCell>>>({.layers = 2});
}
BOOST_AUTO_TEST_CASE(around_layers) {
  check_identities<nn::GRU>(
      {.layers = 3, .join = nn::Join::sum, .skip = nn::Skip::highway, .learn_initial = true});
}

// A model is a function too: its output a state, derived by its input.
BOOST_AUTO_TEST_CASE(a_module_as_the_function) {
  nn::LSTM lstm({.input = 2, .hidden = 3, .bidirectional = true});
  lstm.to(f64);
  const Tensor x = random_values({3, 2, 2}, 1);
  const auto pushed = jvp(lstm, x, x);
  const auto out = lstm(x);
  BOOST_TEST(all_equal(pushed.value.outputs, out.outputs));
  BOOST_TEST(all_equal(pushed.value.state.backward[0].c, out.state.backward[0].c));
  const auto pulled = vjp(lstm, x, out);
  double product = inner(pushed.product.outputs, out.outputs);
  const auto moved = tensors_of(pushed.product.state), states = tensors_of(out.state);
  for (std::size_t i = 0; i < states.size(); ++i) product += inner(moved[i], states[i]);
  BOOST_TEST(near(product, inner(pulled.product, x)));
  const auto by_model = jvp(
      lstm, [&] { return lstm(x); }, random_direction(lstm, 3));
  BOOST_TEST((by_model.product.state.forward[0].h.shape() == Shape{2, 3}));
}

BOOST_AUTO_TEST_CASE(by_the_initial_state) {
  nn::LSTM lstm({.input = 2, .hidden = 3});
  lstm.to(f64);
  const Tensor x = random_values({3, 2, 2}, 1);
  const nn::LSTMState start{.h = random_values({2, 3}, 2), .c = random_values({2, 3}, 3)};
  const auto last = [&](const nn::LSTMState& s) {
    return lstm(x, {.initial = {.forward = {s}}}).state.forward[0].c;
  };
  const nn::LSTMState J = jacobian(last, start);
  BOOST_TEST((J.h.shape() == Shape{2, 3, 2, 3}));
  // Rows of a batch do not meet.
  BOOST_TEST(all_equal(select(select(J.c, 0, 0), 1, 1), zeros({3, 3}, f64)));
  const nn::LSTMState columns = jacobian(last, start, {.by = JacobianBy::columns});
  BOOST_TEST(disagreement(J.h, columns.h, {.relative = 1e-12}) == "");
  BOOST_TEST(disagreement(J.c, columns.c, {.relative = 1e-12}) == "");
}

BOOST_AUTO_TEST_CASE(a_parameter_as_the_point) {
  nn::Linear layer({.input = 3, .output = 2});
  layer.to(f64);
  const Tensor x = random_values({4, 3}, 1);
  const auto loss = [&](const Tensor& W) { return sum(square(matmul(x, W))); };
  const Tensor g = gradient(loss, layer.W);
  BOOST_TEST(disagreement(g, 2.0 * matmul(transpose(x, 0, 1), matmul(x, detach(layer.W))),
                          {.relative = 1e-12}) == "");
  BOOST_TEST(gradient(layer, [&] { return loss(layer.W); })[layer.W].size() == 6);
}

BOOST_AUTO_TEST_CASE(a_tagger_with_an_embedding) {
  Tagger model({});
  const Tensor ids = tensor({{1, 2}, {3, 1}, {6, 6}});
  const auto loss = [&] { return cross_entropy(model(ids), ids); };
  const Gradients g = gradient(model, loss);
  BOOST_TEST(g.find(model.embed.W)->is_sparse());
  BOOST_TEST(g.find(model.head.W)->path == "head.W");
  const Gradients Hg = hvp(model, loss, g);
  BOOST_TEST(!Hg.find(model.embed.W)->is_sparse());
  BOOST_TEST(Hg.size() == g.size());
  BOOST_TEST(inner(Hg, g) != 0);
  // Along the gradient the loss falls by |g|² to first order.
  BOOST_TEST(std::abs(jvp(model, loss, g).product.item() - g.norm() * g.norm()) < 1e-6);
}

BOOST_AUTO_TEST_CASE(samples_of_a_time_major_batch) {
  Tagger model({});
  model.to(f64);
  const Tensor ids = tensor({{1, 2, 5}, {3, 1, 0}, {6, 6, 4}});
  const Batch batch{.ids = ids, .targets = ids};
  const auto loss = [&](const Batch& b) { return cross_entropy(model(b.ids), b.targets); };
  const PerParameter samples = per_sample_gradients(model, loss, batch, {.axis = 1});
  const Gradients whole = gradient(model, [&] { return loss(batch); });
  for (const auto& [p, path, values] : samples) {
    BOOST_TEST(values.size(0) == 3);
    BOOST_TEST(disagreement(mean(values, 0), whole[p], {.relative = 1e-12}) == "", path);
  }
  // Row 5 of the table is met by the last sample alone.
  const Tensor table = samples[model.embed.W];
  BOOST_TEST(all_equal(contiguous(select(slice(table, {.to = 2}), 1, 5)), zeros({2, 3}, f64)));
  BOOST_TEST(norm(select(select(table, 0, 2), 0, 5)).item() > 0);
}

BOOST_AUTO_TEST_CASE(dropout_between_layers) {
  Tagger model({.dropout = 0.5});
  model.to(f64);
  const Tensor ids = tensor({{1, 2}, {3, 1}, {6, 6}});
  const auto logits = [&] { return model(ids); };
  const Gradients v = random_direction(model, 3);
  const Tensor u = random_values({3, 2, 7}, 2);
  const Tensor plain = jvp(model, logits, v).value;
  BOOST_TEST(all_equal(plain, model(ids)));
  const auto pushed = jvp(model, logits, v, {.training = true});
  BOOST_TEST(!all_equal(pushed.value, plain));
  const auto pulled = vjp(model, logits, u, {.training = true});
  BOOST_TEST(all_equal(pulled.value, pushed.value));
  BOOST_TEST(near(inner(u, pushed.product), inner(pulled.product, v)));
}

BOOST_AUTO_TEST_CASE(frozen_parts) {
  Tagger model({});
  model.embed.freeze();
  model.lstm.freeze();
  const Tensor ids = tensor({{1, 2}, {3, 1}});
  const auto loss = [&] { return cross_entropy(model(ids), ids); };
  BOOST_TEST(gradient(model, loss).size() == 2);
  BOOST_TEST((hessian(model, loss).shape() == Shape{35, 35}));
  BOOST_TEST((hessian(model.head, loss).shape() == Shape{35, 35}));
}

BOOST_AUTO_TEST_CASE(a_parameter_changed_by_f) {
  nn::Linear layer({.input = 2, .output = 1});
  const auto loss = [&] {
    const Tensor y = sum(matmul(ones({1, 2}), layer.W));
    layer.W.assign(zeros({2, 1}));
    return y;
  };
  check_throws(
      [&] { return hvp(layer, loss, {}); },
      "[gradient] W was changed (assignment) after this tape read it; needed its old value; "
      "hint: call backward before step, or open a new Tape");
}

BOOST_AUTO_TEST_CASE(a_state_of_an_outer_tape) {
  nn::LSTM lstm({.input = 2, .hidden = 3});
  const Tensor x = ones({2, 1, 2});
  Tape tape;
  const auto out = lstm(x);
  check_throws(
      [&] { return gradient(lstm, [&] { return sum(lstm(x, {.initial = out.state}).outputs); }); },
      "[lstm] initial.forward[0].h f32 [1, 3] belongs to an outer tape; needed a value of the "
      "innermost tape or without history; hint: state = detach(out.state), or compute under one "
      "tape");
  const auto state = detach(out.state);
  BOOST_TEST(gradient(lstm, [&] { return sum(lstm(x, {.initial = state}).outputs); }).norm() > 0);
  BOOST_TEST(tape.backward(sum(out.outputs)).size() == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
