// Values and gradients of elementwise operations, as PyTorch computes them in double.
#include <boost/test/unit_test.hpp>

#include "support/operation_fixture.h"

namespace unroll::test {
namespace {

const std::map<std::string, Call>& calls() {
  static const std::map<std::string, Call> all{
      {"sign", unary(sign)},
      {"rsqrt", unary(rsqrt)},
      {"expm1", unary(expm1)},
      {"log1p", unary(log1p)},
      {"sin", unary(sin)},
      {"cos", unary(cos)},
      {"erf", unary(erf)},
      {"hard_sigmoid", unary(hard_sigmoid)},
      {"clamp",
       [](const Inputs& in, const Options& o) {
         return clamp(in.at("x"), {.low = std::stod(o.at("low")), .high = std::stod(o.at("high"))});
       }},
      {"pow", binary([](auto& a, auto& b) { return pow(a, b); })},
      {"pow_number", [](const Inputs& in,
                        const Options& o) { return pow(in.at("x"), std::stod(o.at("exponent"))); }},
      {"number_pow",
       [](const Inputs& in, const Options& o) { return pow(std::stod(o.at("base")), in.at("x")); }},
      {"maximum", binary([](auto& a, auto& b) { return maximum(a, b); })},
      {"minimum", binary([](auto& a, auto& b) { return minimum(a, b); })},
      {"where", [](const Inputs& in,
                   const Options&) { return where(in.at("mask"), in.at("a"), in.at("b")); }},
      {"masked_fill",
       [](const Inputs& in, const Options& o) {
         return masked_fill(in.at("x"), in.at("mask"), std::stod(o.at("value")));
       }},
      {"dropout",
       [](const Inputs& in, const Options&) { return dropout(in.at("x"), in.at("mask")); }},
  };
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise_pytorch)

BOOST_AUTO_TEST_CASE(operations) {
  BOOST_TEST(check_operations("elementwise.safetensors", calls()) > 100);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
