// Operations on shapes and ids, and products, as PyTorch computes them in double.
#include <algorithm>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/fixture_file.h"
#include "support/operation_fixture.h"

namespace unroll::test {
namespace {

Index number(const Options& o, const std::string& name) { return std::stoll(o.at(name)); }

Axes axes_of(const Options& o) {
  const auto list = numbers(o.at("axes"));
  return list.size() == 1 ? Axes(list[0]) : Axes{list.at(0), list.at(1)};
}

template <class F>
Call of_x(const F& f) {
  return [f](const Inputs& in, const Options& o) { return f(in.at("x"), o); };
}

Tensor padded(const Tensor& x, const Options& o) {
  const auto amounts = numbers(o.at("amounts"));
  std::vector<PadAxis> axes;
  for (std::size_t i = 0; i < amounts.size(); i += 2)
    axes.push_back(
        {.axis = -1 - static_cast<Index>(i / 2), .before = amounts[i], .after = amounts[i + 1]});
  return pad(x, axes, {.value = std::stod(o.at("value"))});
}

Tensor einsum_of(const Inputs& in, const Options& o) {
  std::string equation = o.at("equation");
  std::replace(equation.begin(), equation.end(), '_', ' ');
  std::vector<Tensor> operands;
  for (const auto& [name, x] : in) operands.push_back(x);
  return einsum(equation, operands);
}

// What only moves values.
const std::map<std::string, Call>& moving() {
  static const std::map<std::string, Call> all{
      {"permute", of_x([](auto& x, auto& o) { return permute(x, numbers(o.at("axes"))); })},
      {"squeeze", of_x([](auto& x, auto& o) { return squeeze(x, number(o, "axis")); })},
      {"unsqueeze", of_x([](auto& x, auto& o) { return unsqueeze(x, number(o, "axis")); })},
      {"chunk", of_x([](auto& x, auto& o) {
         return chunk(x, number(o, "count"), number(o, "axis"))
             .at(static_cast<std::size_t>(number(o, "piece")));
       })},
      {"slice", of_x([](auto& x, auto& o) {
         return slice(x, {.axis = number(o, "axis"),
                          .from = number(o, "from"),
                          .to = number(o, "to"),
                          .step = number(o, "step")});
       })},
      {"diagonal", of_x([](auto& x, auto& o) {
         return diagonal(
             x,
             {.axis_a = number(o, "a"), .axis_b = number(o, "b"), .offset = number(o, "offset")});
       })},
      {"flip", of_x([](auto& x, auto& o) { return flip(x, axes_of(o)); })},
      {"roll",
       of_x([](auto& x, auto& o) { return roll(x, number(o, "shift"), number(o, "axis")); })},
      {"pad", of_x(padded)},
      {"tile", of_x([](auto& x, auto& o) { return tile(x, numbers(o.at("counts"))); })},
      {"repeat",
       of_x([](auto& x, auto& o) { return repeat(x, number(o, "axis"), number(o, "count")); })},
      {"tril", of_x([](auto& x, auto& o) { return tril(x, {.diagonal = number(o, "diagonal")}); })},
      {"triu", of_x([](auto& x, auto& o) { return triu(x, {.diagonal = number(o, "diagonal")}); })},
      {"flip_by_length",
       of_x([](auto& x, auto& o) { return flip_by_length(x, numbers(o.at("lengths"))); })},
      {"last_by_length",
       of_x([](auto& x, auto& o) { return last_by_length(x, numbers(o.at("lengths"))); })},
      {"gather",
       [](const Inputs& in, const Options& o) {
         return gather(in.at("x"), number(o, "axis"), in.at("ids"));
       }},
      {"index_select",
       [](const Inputs& in, const Options& o) {
         return index_select(in.at("x"), number(o, "axis"), in.at("ids"));
       }},
      {"embedding",
       [](const Inputs& in, const Options& o) {
         return embedding(in.at("table"), in.at("ids"), {.padding = number(o, "padding")});
       }},
  };
  return all;
}

std::map<std::string, Call> calls() {
  std::map<std::string, Call> all = moving();
  all.insert({{"scatter_add",
               [](const Inputs& in, const Options& o) {
                 return scatter_add(in.at("x"), number(o, "axis"), in.at("ids"), in.at("s"));
               }},
              {"index_add",
               [](const Inputs& in, const Options& o) {
                 return index_add(in.at("x"), number(o, "axis"), in.at("ids"), in.at("s"));
               }},
              {"matmul", binary([](auto& a, auto& b) { return matmul(a, b); })},
              {"dot", binary([](auto& a, auto& b) { return dot(a, b); })},
              {"outer", binary([](auto& a, auto& b) { return outer(a, b); })},
              {"einsum", einsum_of}});
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(shapes_pytorch)

BOOST_AUTO_TEST_CASE(values_and_gradients) {
  BOOST_TEST(check_operations("shapes.safetensors", calls()) > 130);
}

BOOST_AUTO_TEST_CASE(what_is_moved_keeps_its_bits) {
  const FixtureFile file = read_fixture("shapes.safetensors");
  int cases = 0;
  for (const auto& [name, text] : file.metadata) {
    const auto call = moving().find(name.substr(0, name.find('/')));
    if (call == moving().end()) continue;
    Inputs in;
    for (const std::string input : {"x", "ids", "table"})
      if (file.tensors.contains(name + "/" + input)) in[input] = file[name + "/" + input];
    Options options;
    std::istringstream words(text);
    for (std::string word; words >> word;)
      options[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
    BOOST_TEST_CONTEXT(name << " " << text)
    BOOST_TEST(all_equal(call->second(in, options), file[name + "/y"]));
    ++cases;
  }
  BOOST_TEST(cases > 70);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
