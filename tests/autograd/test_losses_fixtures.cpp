// Values and gradients of losses, as PyTorch computes them in double.
#include <boost/test/unit_test.hpp>

#include "support/operation_fixture.h"

namespace unroll::test {
namespace {

Reduction reduction_of(const Options& o) {
  const std::string& how = o.at("reduction");
  return how == "mean" ? Reduction::mean : how == "sum" ? Reduction::sum : Reduction::none;
}

Tensor given(const Inputs& in, const std::string& name) {
  return in.contains(name) ? in.at(name) : Tensor{};
}

Tensor cross_entropy_of(const Inputs& in, const Options& o) {
  return cross_entropy(in.at("logits"), in.at("targets"),
                       {.class_weights = given(in, "class_weights"),
                        .label_smoothing = std::stod(o.at("label_smoothing")),
                        .reduction = reduction_of(o)});
}

const std::map<std::string, Call>& calls() {
  static const std::map<std::string, Call> all{
      {"cross_entropy", cross_entropy_of},
      {"cross_entropy_of_probabilities", cross_entropy_of},
      {"nll",
       [](const Inputs& in, const Options& o) {
         return nll(in.at("x"), in.at("targets"),
                    {.class_weights = given(in, "class_weights"), .reduction = reduction_of(o)});
       }},
      {"mse",
       [](const Inputs& in, const Options& o) {
         return mse(in.at("a"), in.at("b"), {.reduction = reduction_of(o)});
       }},
      {"mae",
       [](const Inputs& in, const Options& o) {
         return mae(in.at("a"), in.at("b"), {.reduction = reduction_of(o)});
       }},
      {"huber",
       [](const Inputs& in, const Options& o) {
         return huber(in.at("a"), in.at("b"),
                      {.delta = std::stod(o.at("delta")), .reduction = reduction_of(o)});
       }},
      {"binary_cross_entropy",
       [](const Inputs& in, const Options& o) {
         return binary_cross_entropy(in.at("logits"), in.at("targets"),
                                     {.positive_weight = given(in, "positive_weight"),
                                      .weights = given(in, "weights"),
                                      .reduction = reduction_of(o)});
       }},
      {"kl_divergence",
       [](const Inputs& in, const Options& o) {
         return kl_divergence(in.at("logits"), in.at("targets"), {.reduction = reduction_of(o)});
       }},
      {"cosine_similarity",
       [](const Inputs& in, const Options& o) {
         return cosine_similarity(in.at("a"), in.at("b"), {.axis = std::stoll(o.at("axis"))});
       }},
      {"cosine_embedding",
       [](const Inputs& in, const Options& o) {
         return cosine_embedding(
             in.at("a"), in.at("b"), in.at("targets"),
             {.margin = std::stod(o.at("margin")), .reduction = reduction_of(o)});
       }},
  };
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(losses_fixtures)

BOOST_AUTO_TEST_CASE(losses_of_torch) {
  BOOST_TEST(check_operations("losses.safetensors", calls()) > 250);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
