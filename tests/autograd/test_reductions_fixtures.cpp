// Reductions, scans, orders, softmax and normalisation, as PyTorch computes them in double.
#include <boost/test/unit_test.hpp>

#include "support/operation_fixture.h"

namespace unroll::test {
namespace {

Axes axes_of(const Options& o) {
  const auto list = numbers(o.at("axes"));
  if (list.empty()) return {};
  if (list.size() == 1) return Axes(list[0]);
  if (list.size() == 2) return Axes{list[0], list[1]};
  return Axes{list.at(0), list.at(1), list.at(2)};
}

bool flag(const Options& o, const char* name) { return o.at(name) == "true"; }
Index number(const Options& o, const char* name) { return std::stoll(o.at(name)); }

using Reduce = Tensor (*)(const Tensor&, const Axes&, const ReduceOptions&);
Call reduction(Reduce f) {
  return [f](const Inputs& in, const Options& o) {
    return f(in.at("x"), axes_of(o), {.keepdim = flag(o, "keepdim")});
  };
}

using Moment = Tensor (*)(const Tensor&, const Axes&, const VarOptions&);
Call moment(Moment f) {
  return [f](const Inputs& in, const Options& o) {
    return f(in.at("x"), axes_of(o),
             {.correction = number(o, "correction"), .keepdim = flag(o, "keepdim")});
  };
}

using Position = Tensor (*)(const Tensor&, Index, const ReduceOptions&);
Call position(Position f, Reduce value) {
  return [=](const Inputs& in, const Options& o) {
    const ReduceOptions options{.keepdim = flag(o, "keepdim")};
    const Index axis = axes_of(o).list()[0];
    BOOST_TEST(all_equal(f(in.at("x"), axis, options), in.at("positions")));
    return value(in.at("x"), axis, options);
  };
}

using ScanFunction = Tensor (*)(const Tensor&, Index, const ScanOptions&);
Call scan(ScanFunction f) {
  return [f](const Inputs& in, const Options& o) {
    return f(in.at("x"), number(o, "axis"), {.reverse = flag(o, "reverse")});
  };
}

Tensor sorted(const Inputs& in, const Options& o) {
  const SortOptions options{.descending = flag(o, "descending")};
  auto out = sort(in.at("x"), number(o, "axis"), options);
  BOOST_TEST(all_equal(out.positions, in.at("positions")));
  BOOST_TEST(all_equal(argsort(in.at("x"), number(o, "axis"), options), out.positions));
  return out.values;
}

Tensor largest(const Inputs& in, const Options& o) {
  auto out = top_k(in.at("x"), number(o, "k"), number(o, "axis"));
  BOOST_TEST(all_equal(out.positions, in.at("positions")));
  return out.values;
}

Tensor optional(const Inputs& in, const std::string& name) {
  return in.contains(name) ? in.at(name) : Tensor{};
}

Tensor batch_normed(const Inputs& in, const Options& o) {
  auto out = batch_norm(in.at("x"), optional(in, "weight"), optional(in, "bias"),
                        {.epsilon = std::stod(o.at("epsilon")), .axis = number(o, "axis")});
  BOOST_TEST(all_close(out.mean, in.at("mean"), {.relative = 1e-14}));
  BOOST_TEST(all_close(out.variance, in.at("variance"), {.relative = 1e-14}));
  BOOST_TEST(out.count == in.at("x").size() / in.at("mean").size());
  return out.outputs;
}

const std::map<std::string, Call>& calls() {
  static const std::map<std::string, Call> all{
      {"sum", reduction(sum)},
      {"prod", reduction(prod)},
      {"min", reduction(min)},
      {"logsumexp", reduction(logsumexp)},
      {"norm",
       [](const Inputs& in, const Options& o) {
         return norm(in.at("x"), axes_of(o),
                     {.p = std::stod(o.at("p")), .keepdim = flag(o, "keepdim")});
       }},
      {"var", moment(var)},
      {"stddev", moment(stddev)},
      {"argmax", position(argmax, max)},
      {"argmin", position(argmin, min)},
      {"cumsum", scan(cumsum)},
      {"logcumsumexp", scan(logcumsumexp)},
      {"sort", sorted},
      {"top_k", largest},
      {"masked_softmax",
       [](const Inputs& in, const Options& o) {
         return softmax(in.at("x"), number(o, "axis"), {.mask = in.at("mask")});
       }},
      {"layer_norm",
       [](const Inputs& in, const Options& o) {
         return layer_norm(in.at("x"), optional(in, "weight"), optional(in, "bias"),
                           {.epsilon = std::stod(o.at("epsilon"))});
       }},
      {"rms_norm",
       [](const Inputs& in, const Options& o) {
         return rms_norm(in.at("x"), optional(in, "weight"),
                         {.epsilon = std::stod(o.at("epsilon"))});
       }},
      {"batch_norm", batch_normed},
      {"batch_norm_inference",
       [](const Inputs& in, const Options& o) {
         return batch_norm_inference(
             in.at("x"), in.at("mean"), in.at("variance"), optional(in, "weight"),
             optional(in, "bias"),
             {.epsilon = std::stod(o.at("epsilon")), .axis = number(o, "axis")});
       }},
  };
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reductions_fixtures)

BOOST_AUTO_TEST_CASE(as_pytorch_has_them) {
  BOOST_TEST(check_operations("reductions.safetensors", calls()) > 300);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
