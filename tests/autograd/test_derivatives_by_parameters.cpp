// Derivatives by the parameters of a model, and gradients of every sample of a batch.
#include <unroll/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"

namespace unroll::test {
namespace {

Tensor three() { return tensor({1.0, -2.0, 0.5}, f64); }

// Leaves with parameters(), as a model has.
struct Model {
  Tensor a = make_parameter(three(), "part.a");
  Tensor b = make_parameter(tensor({0.5}, f64), "part.b");
  Tensor unused = make_parameter(tensor({4.0, 5.0}, f64), "part.unused");
  ParameterList parameters() const {
    ParameterList list;
    list.add("a", a);
    list.add("b", b);
    list.add("unused", unused);
    return list;
  }
  Tensor loss() const { return sum(a * a * b); }
};

Gradients direction_of(const Tensor& parameter, const Tensor& v) {
  Gradients all;
  all.insert({.parameter = parameter, .path = "any", .dense = v});
  return all;
}

void check_equal(const Tensor& a, const Tensor& b) { BOOST_TEST(all_equal(a, b)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(derivatives_by_parameters)

BOOST_AUTO_TEST_CASE(a_linear_model_has_no_curvature) {
  const Model m;
  const auto loss = [&] { return sum(m.a) + sum(m.b); };
  const Gradients bent = hvp(m, loss, gradient(m, loss));
  check_equal(bent[m.a], zeros({3}, f64));
  check_equal(bent[m.b], zeros({1}, f64));
  check_equal(hessian(m, loss), zeros({6, 6}, f64));
}

BOOST_AUTO_TEST_CASE(by_parameters) {
  const Model m;
  const auto loss = [&] { return m.loss(); };
  const auto products = [&] { return m.a * m.b; };
  const Gradients g = gradient(m, loss);
  BOOST_TEST(g.size() == 3);
  check_equal(g[m.a], m.a * detach(m.b) * 2.0);
  check_equal(g[m.b], tensor({5.25}, f64));
  check_equal(g[m.unused], zeros({2}, f64));
  BOOST_TEST(g.find(m.b)->path == "part.b");
  const Gradients bent = hvp(m, loss, direction_of(m.a, three()));
  check_equal(bent[m.a], 2.0 * 0.5 * three());
  check_equal(bent[m.b], tensor({10.5}, f64));
  check_equal(bent[m.unused], zeros({2}, f64));
  const auto pushed = jvp(m, products, direction_of(m.b, tensor({2.0}, f64)));
  check_equal(pushed.value, 0.5 * three());
  check_equal(pushed.product, 2.0 * three());
  check_equal(vjp(m, products, three()).product[m.b], tensor({5.25}, f64));
  const PerParameter J = jacobian(m, products);
  BOOST_TEST(J.size() == 3);
  check_equal(J[m.a], 0.5 * eye(3, f64));
  check_equal(J[m.b], reshape(three(), {3, 1}));
  check_equal(J[m.unused], zeros({3, 2}, f64));
  const Tensor H = hessian(m, loss);
  BOOST_TEST((H.shape() == Shape{6, 6}));
  check_equal(slice(select(H, 0, 3), {.to = 4}), tensor({2.0, -4.0, 1.0, 0.0}, f64));
}

BOOST_AUTO_TEST_CASE(by_some_parameters) {
  const Model m;
  const auto loss = [&] { return m.loss(); };
  const auto only_b =
      m.parameters().where([](std::string_view path) { return path.ends_with("b"); });
  const Gradients g = gradient(only_b, loss);
  BOOST_TEST(g.size() == 1);
  check_equal(g[m.b], tensor({5.25}, f64));
  BOOST_TEST((hessian(only_b, loss).shape() == Shape{1, 1}));
}

BOOST_AUTO_TEST_CASE(frozen_parameters_are_constants) {
  const Model m;
  const auto loss = [&] { return m.loss(); };
  freeze(m.b);
  const Gradients g = gradient(m, loss);
  BOOST_TEST(g.size() == 2);
  BOOST_TEST(!g.contains(m.b));
  BOOST_TEST(jacobian(m, loss).size() == 2);
  BOOST_TEST((hessian(m, loss).shape() == Shape{5, 5}));
  check_equal(jvp(m, loss, direction_of(m.b, tensor({1.0}, f64))).product, full({}, 0, f64));
  const auto samples = per_sample_gradients(
      m, [&](const Tensor& x) { return sum(x * m.a * m.b); }, ones({2, 3}, f64));
  BOOST_TEST(samples.size() == 2);
  check_throws([&] { return samples[m.b]; },
               "[derivatives] nothing for part.b f64 [1]; needed a parameter of the model that is "
               "not frozen; hint: contains(p) asks");
}

BOOST_AUTO_TEST_CASE(all_parameters_constant) {
  const Model m;
  for (const auto& [path, p] : m.parameters()) freeze(p);
  const auto loss = [&] { return m.loss(); };
  BOOST_TEST(gradient(m, loss).empty());
  BOOST_TEST(hvp(m, loss, {}).empty());
  BOOST_TEST((hessian(m, loss).shape() == Shape{0, 0}));
}

// What f returns may be a parameter, which steps write over; a value stays.
BOOST_AUTO_TEST_CASE(values_outlive_steps) {
  const Model m;
  const auto whole = vjp(
      m, [&] { return m.b; }, tensor({1.0}, f64));
  const auto part = jvp([](const Tensor& x) { return slice(x, {.to = 1}); }, m.a, three());
  overwrite(m.b, 99, 1);
  overwrite(m.a, 99, 1);
  BOOST_TEST(whole.value.item() == 0.5);
  check_equal(whole.product[m.b], tensor({1.0}, f64));
  BOOST_TEST(part.value.item() == 1.0);
}

BOOST_AUTO_TEST_CASE(gradients_of_samples) {
  const Model m;
  const Tensor x = tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}, f64);
  const auto loss = [&](const Tensor& rows) { return sum(rows * m.a * m.b); };
  const PerParameter samples = per_sample_gradients(m, loss, x);
  BOOST_TEST(samples.size() == 3);
  check_equal(samples[m.a], 0.5 * x);
  check_equal(samples[m.b], tensor({{-1.5}, {-3.0}}, f64));
  check_equal(samples[m.unused], zeros({2, 2}, f64));
  const PerParameter across = per_sample_gradients(m, loss, transpose(x, 0, 1), {.axis = 1});
  BOOST_TEST((across[m.a].shape() == Shape{2, 3}));
  BOOST_TEST((per_sample_gradients(m, loss, zeros({0, 3}, f64))[m.a].shape() == Shape{0, 3}));
}

BOOST_AUTO_TEST_CASE(samples_have_masks_of_their_own) {
  const Tensor w = make_parameter(ones({100}, f64), "w");
  ParameterList model;
  model.add("w", w);
  const auto loss = [&](const Tensor& x) { return sum(dropout(x * w, 0.5)); };
  const Tensor x = ones({2, 100}, f64);
  const auto draw = [&](std::uint64_t seed) {
    return per_sample_gradients(model, loss, x, {.training = true, .seed = seed})[w];
  };
  check_equal(per_sample_gradients(model, loss, x)[w], x);
  BOOST_TEST(!all_equal(select(draw(1), 0, 0), select(draw(1), 0, 1)));
  check_equal(draw(1), draw(1));
  BOOST_TEST(!all_equal(draw(1), draw(2)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
