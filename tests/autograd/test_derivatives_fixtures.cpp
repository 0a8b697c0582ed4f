// Derivatives of functions against PyTorch in double: products, whole Jacobians and Hessians.
#include <boost/test/unit_test.hpp>

#include "support/fixture_file.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

using Point = std::vector<Tensor>;
using Case = std::map<std::string, Tensor>;
using PointFunction = std::function<Tensor(const Point&, const Case&)>;

PointFunction of_one(Tensor (*f)(const Tensor&)) {
  return [f](const Point& p, const Case&) { return f(p[0]); };
}
PointFunction of_two(Tensor (*f)(const Tensor&, const Tensor&)) {
  return [f](const Point& p, const Case&) { return f(p[0], p[1]); };
}

Tensor rosenbrock(const Tensor& x) {
  const Tensor a = slice(x, {.to = -1});
  const Tensor b = slice(x, {.from = 1});
  return sum(square(1.0 - a) + 100.0 * square(b - square(a)));
}

Tensor views(const Tensor& x) {
  return concat({transpose(slice(x, {.axis = 1, .from = 1}), 0, 1) * select(select(x, 0, 0), 0, 0),
                 slice(reshape(x, {3, 2}), {.from = 1})},
                1);
}

const std::map<std::string, PointFunction>& functions() {
  static const std::map<std::string, PointFunction> all{
      {"tanh", of_one(tanh)},
      {"sigmoid", of_one(sigmoid)},
      {"exp", of_one(exp)},
      {"sin", of_one(sin)},
      {"square", of_one(square)},
      {"softplus", of_one(softplus)},
      {"gelu", of_one(gelu)},
      {"silu", of_one(silu)},
      {"log", of_one(log)},
      {"sqrt", of_one(sqrt)},
      {"mul", [](const Point& p, const Case&) { return p[0] * p[1]; }},
      {"div", [](const Point& p, const Case&) { return p[0] / p[1]; }},
      {"pow", of_two(pow)},
      {"number", [](const Point& p, const Case&) { return p[0] * sin(p[0]); }},
      {"rosenbrock", of_one(rosenbrock)},
      {"matmul", of_two(matmul)},
      {"affine", [](const Point& p, const Case&) { return affine(p[0], p[1], p[2]); }},
      {"einsum",
       [](const Point& p, const Case&) {
         return einsum("bij,bkj->ik", {p[0], p[1]});
       }},
      {"norm", [](const Point& p, const Case&) { return norm(p[0], -1); }},
      {"variance", [](const Point& p, const Case&) { return var(p[0], -1, {.correction = 0}); }},
      {"prod", [](const Point& p, const Case&) { return prod(p[0], -1); }},
      {"logsumexp", [](const Point& p, const Case&) { return logsumexp(p[0], -1); }},
      {"cumsum", [](const Point& p, const Case&) { return cumsum(exp(p[0]), -1); }},
      {"amax", [](const Point& p, const Case&) { return max(p[0], -1); }},
      {"softmax",
       [](const Point& p, const Case&) { return softmax(p[0], p[0].size(0) == 3 ? 0 : -1); }},
      {"log_softmax", [](const Point& p, const Case&) { return log_softmax(p[0], -1); }},
      {"cross_entropy",
       [](const Point& p, const Case& c) { return cross_entropy(p[0], c.at("targets")); }},
      {"cross_entropy_each",
       [](const Point& p, const Case& c) {
         return cross_entropy(p[0], c.at("targets"), {.reduction = Reduction::none});
       }},
      {"binary_cross_entropy",
       [](const Point& p, const Case& c) { return binary_cross_entropy(p[0], c.at("targets")); }},
      {"layer_norm", [](const Point& p, const Case&) { return layer_norm(p[0], p[1], p[2]); }},
      {"views", of_one(views)},
      {"embedding",
       [](const Point& p, const Case& c) { return tanh(embedding(p[0], c.at("ids"))); }},
      {"perceptron",
       [](const Point& p, const Case&) {
         return log_softmax(matmul(tanh(matmul(p[0], p[1])), p[2]), -1);
       }},
      {"half_used", of_one(tanh)},
  };
  return all;
}

std::map<std::string, Case> read_cases() {
  const FixtureFile file = read_fixture("derivatives.safetensors");
  std::map<std::string, Case> cases;
  for (const auto& [name, tensor] : file.tensors) {
    const auto last = name.rfind('/');
    cases[name.substr(0, last)][name.substr(last + 1)] = tensor;
  }
  return cases;
}

Point several(const Case& c, const std::string& part) {
  Point all;
  while (c.contains(part + std::to_string(all.size())))
    all.push_back(c.at(part + std::to_string(all.size())));
  return all;
}

void check(const Tensor& ours, const Tensor& theirs, const std::string& what) {
  BOOST_TEST_CONTEXT(what) BOOST_TEST(disagreement(ours, theirs, {.relative = 1e-12}) == "");
}

void check(const Point& ours, const Point& theirs, const std::string& what) {
  BOOST_TEST(ours.size() == theirs.size());
  for (std::size_t i = 0; i < theirs.size(); ++i)
    check(ours[i], theirs[i], what + " by x" + std::to_string(i));
}

// One vector of all elements.
Tensor flat(const Point& p) {
  Point parts;
  for (const Tensor& x : p) parts.push_back(reshape(x, {x.size()}));
  return concat(parts, 0);
}

void check_case(const PointFunction& function, const Case& c) {
  const Point x = several(c, "x");
  const Point v = several(c, "v");
  const Tensor& u = c.at("u");
  const auto f = [&](const Point& p) { return function(p, c); };
  const auto loss = [&](const Point& p) {
    const Tensor y = f(p);
    return sum(c.at("w") * square(y) * y);
  };

  const auto pulled = vjp(f, x, u);
  check(pulled.value, c.at("y"), "value of vjp");
  check(pulled.product, several(c, "vjp"), "vjp");
  const auto pushed = jvp(f, x, v);
  check(pushed.value, c.at("y"), "value of jvp");
  check(pushed.product, c.at("jvp"), "jvp");
  const Point by_rows = jacobian(f, x, {.by = JacobianBy::rows});
  const Point by_columns = jacobian(f, x, {.by = JacobianBy::columns});
  check(by_rows, several(c, "jacobian"), "jacobian by rows");
  check(by_columns, several(c, "jacobian"), "jacobian by columns");
  check(jacobian(f, x), by_rows, "the cheaper jacobian");
  check(gradient(loss, x), several(c, "gradient"), "gradient");
  const Tensor H = hessian(loss, x);
  const Point product = hvp(loss, x, v);
  check(H, c.at("hessian"), "hessian");
  check(product, several(c, "hvp"), "hvp");
  check(matmul(H, flat(v)), flat(product), "hessian times v");

  if (x.size() > 1) return;  // and of a point that is a Tensor
  const auto f1 = [&](const Tensor& p) { return f({p}); };
  const auto loss1 = [&](const Tensor& p) { return loss({p}); };
  Shape twice = x[0].shape();
  for (const Index extent : x[0].shape()) twice = twice.inserted(twice.rank(), extent);
  BOOST_TEST(all_equal(vjp(f1, x[0], u).product, pulled.product[0]));
  BOOST_TEST(all_equal(jvp(f1, x[0], v[0]).product, pushed.product));
  BOOST_TEST(all_equal(jacobian(f1, x[0], {.by = JacobianBy::rows}), by_rows[0]));
  BOOST_TEST(all_equal(gradient(loss1, x[0]), gradient(loss, x)[0]));
  BOOST_TEST(all_equal(hvp(loss1, x[0], v[0]), product[0]));
  BOOST_TEST(all_equal(hessian(loss1, x[0]), reshape(H, twice)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(derivatives_fixtures)

BOOST_AUTO_TEST_CASE(torch) {
  std::map<std::string, int> met;
  int cases = 0;
  for (const auto& [name, tensors] : read_cases()) {
    const std::string function = name.substr(0, name.find('/'));
    BOOST_REQUIRE_MESSAGE(functions().contains(function), function);
    ++met[function];
    ++cases;
    BOOST_TEST_CONTEXT(name) check_case(functions().at(function), tensors);
  }
  for (const auto& [name, function] : functions()) BOOST_TEST(met[name] > 0, name);
  BOOST_TEST(cases == 36);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
