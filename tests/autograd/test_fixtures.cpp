// Values and gradients of single operations, as PyTorch computes them in double.
#include <boost/test/unit_test.hpp>

#include "support/operation_fixture.h"

namespace unroll::test {
namespace {

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
      {"sin", unary(sin)},
      {"cos", unary(cos)},
      {"pow", [](const Inputs& in,
                 const Options& o) { return pow(in.at("x"), std::stod(o.at("exponent"))); }},
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
  return operation == "matmul" && in.at("b").rank() != 2;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pytorch)

BOOST_AUTO_TEST_CASE(single_operations) {
  BOOST_TEST(check_operations("operations.safetensors", calls(), is_missing) > 200);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
