// Values and gradients of single operations, as PyTorch computes them in double.
#include <functional>
#include <set>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/fixture_file.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

using Options = std::map<std::string, std::string>;
using Inputs = std::map<std::string, Tensor>;
using Call = std::function<Tensor(const Inputs&, const Options&)>;

Options parse(const std::string& text) {
  Options options;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    options[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return options;
}

std::vector<Index> numbers(const std::string& text) {
  std::vector<Index> all;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) all.push_back(std::stoll(part));
  return all;
}

template <class F>
Call reduction(const F& f) {
  return [f](const Inputs& in, const Options& o) {
    const auto axes = numbers(o.at("axes"));
    const ReduceOptions options{.keepdim = o.at("keepdim") == "true"};
    const Tensor& x = in.at("x");
    if (axes.size() == 1) return f(x, Axes(axes[0]), options);
    if (axes.size() == 2) return f(x, Axes{axes[0], axes[1]}, options);
    return f(x, Axes{axes.at(0), axes.at(1), axes.at(2)}, options);
  };
}

Call unary(Tensor (*f)(const Tensor&)) {
  return [f](const Inputs& in, const Options&) { return f(in.at("x")); };
}
template <class F>
Call binary(const F& f) {
  return [f](const Inputs& in, const Options&) { return f(in.at("a"), in.at("b")); };
}
template <class F>
Call join(const F& f) {
  return [f](const Inputs& in, const Options& o) {
    std::vector<Tensor> parts;
    for (std::size_t k = 0; in.contains("x" + std::to_string(k)); ++k)
      parts.push_back(in.at("x" + std::to_string(k)));
    return f(std::span<const Tensor>(parts), std::stoll(o.at("axis")));
  };
}

Tensor cross_entropy_of(const Inputs& in, const Options& o) {
  const std::string& how = o.at("reduction");
  return cross_entropy(in.at("logits"), in.at("targets"),
                       {.ignore_index = std::stoll(o.at("ignore_index")),
                        .class_weights = in.contains("weight") ? in.at("weight") : Tensor{},
                        .reduction = how == "mean"  ? Reduction::mean
                                     : how == "sum" ? Reduction::sum
                                                    : Reduction::none});
}

const std::map<std::string, Call>& calls() {
  static const std::map<std::string, Call> all{
      {"tanh", unary(tanh)},
      {"sigmoid", unary(sigmoid)},
      {"relu", unary(relu)},
      {"selu", unary(selu)},
      {"gelu", unary(gelu)},
      {"silu", unary(silu)},
      {"softplus", unary(softplus)},
      {"log_sigmoid", unary(log_sigmoid)},
      {"softsign", unary(softsign)},
      {"exp", unary(exp)},
      {"log", unary(log)},
      {"sqrt", unary(sqrt)},
      {"square", unary(square)},
      {"abs", unary(abs)},
      {"elu", [](const Inputs& in, const Options&) { return elu(in.at("x")); }},
      {"leaky_relu",
       [](const Inputs& in, const Options& o) {
         return leaky_relu(in.at("x"), std::stod(o.at("slope")));
       }},
      {"sin", [](const Inputs& in,
                 const Options&) { return pointwise([](auto x) { return sin(x); }, in.at("x")); }},
      {"cos", [](const Inputs& in,
                 const Options&) { return pointwise([](auto x) { return cos(x); }, in.at("x")); }},
      {"add", binary([](auto& a, auto& b) { return a + b; })},
      {"sub", binary([](auto& a, auto& b) { return a - b; })},
      {"mul", binary([](auto& a, auto& b) { return a * b; })},
      {"div", binary([](auto& a, auto& b) { return a / b; })},
      {"matmul", binary([](auto& a, auto& b) { return matmul(a, b); })},
      {"affine",
       [](const Inputs& in, const Options&) { return affine(in.at("x"), in.at("W"), in.at("b")); }},
      {"sum", reduction([](const auto&... x) { return sum(x...); })},
      {"mean", reduction([](const auto&... x) { return mean(x...); })},
      {"amax", reduction([](const auto&... x) { return max(x...); })},
      {"softmax", [](const Inputs& in,
                     const Options& o) { return softmax(in.at("x"), std::stoll(o.at("axis"))); }},
      {"log_softmax",
       [](const Inputs& in, const Options& o) {
         return log_softmax(in.at("x"), std::stoll(o.at("axis")));
       }},
      {"cross_entropy", cross_entropy_of},
      {"embedding",
       [](const Inputs& in, const Options&) { return embedding(in.at("table"), in.at("ids")); }},
      {"concat", join([](auto parts, Index axis) { return concat(parts, axis); })},
      {"stack", join([](auto parts, Index axis) { return stack(parts, axis); })},
  };
  return all;
}

// Cases of the file that the library has no operation for.
bool is_missing(const std::string& operation, const Inputs& in) {
  return operation == "pow" || (operation == "matmul" && in.at("b").rank() != 2);
}

Inputs inputs_of(const FixtureFile& file, const std::string& name) {
  Inputs in;
  for (auto at = file.tensors.lower_bound(name + "/");
       at != file.tensors.end() && at->first.starts_with(name + "/"); ++at) {
    const std::string last = at->first.substr(name.size() + 1);
    if (last != "y" && last != "w" && !last.starts_with("grad.")) in[last] = at->second;
  }
  return in;
}

void check_case(const FixtureFile& file, const std::string& name, const std::string& operation,
                const Options& options) {
  Inputs in = inputs_of(file, name);
  if (is_missing(operation, in)) return;
  BOOST_REQUIRE_MESSAGE(calls().contains(operation),
                        operation << " is in the file, but not in this test");
  for (const bool differentiable : {false, true}) {
    Tape tape;
    Inputs x = in;
    std::vector<std::string> watched;
    std::vector<Tensor> leaves;
    for (auto& [key, value] : x) {
      if (!file.tensors.contains(name + "/grad." + key)) continue;
      watched.push_back(key);
      leaves.push_back(value = tape.watch(value));
    }
    const Tensor y = calls().at(operation)(x, options);
    BOOST_TEST(all_close(y, file[name + "/y"], {.relative = 4e-15, .absolute = 1e-15}));
    const auto g =
        tape.gradient(y, leaves, {.upstream = file[name + "/w"], .differentiable = differentiable});
    for (std::size_t i = 0; i < leaves.size(); ++i)
      BOOST_TEST_CONTEXT("gradient of " << watched[i]
                                        << (differentiable ? ", recorded" : ", in place"))
    BOOST_TEST(all_close(detach(g[i]), file[name + "/grad." + watched[i]],
                         {.relative = 1e-12, .absolute = 1e-15}));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pytorch)

BOOST_AUTO_TEST_CASE(single_operations) {
  const FixtureFile file = read_fixture("operations.safetensors");
  std::set<std::string> seen;
  int cases = 0;
  for (const auto& [name, options] : file.metadata) {
    const auto slash = name.find('/');
    if (slash == std::string::npos) continue;
    const std::string operation = name.substr(0, slash);
    seen.insert(operation);
    ++cases;
    BOOST_TEST_CONTEXT(name << " " << options) check_case(file, name, operation, parse(options));
  }
  BOOST_TEST(cases > 200);
  for (const auto& [operation, call] : calls()) BOOST_TEST(seen.contains(operation), operation);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
