// Gradients of programs drawn at random: in place, recorded, by differences.
#include <unroll/autograd/leaf.h>

#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/random_program.h"

namespace unroll::test {
namespace {

struct Trial {
  RandomProgram program;
  std::vector<std::size_t> wanted;  // intermediate values besides all leaves
  Rng rng;

  Trial(std::uint64_t seed, Index instructions)
      : program(seed, instructions), rng(Rng(seed).split("trial")) {
    const auto first = static_cast<Index>(program.leaves().size());
    const Index others = static_cast<Index>(program.size()) - first;
    // Not one of two names for a tensor: the differences nudge only what is read by that name.
    const auto all = program.run(program.leaves());
    const auto names = [&](std::size_t k) {
      return std::count_if(all.begin(), all.end(),
                           [&](const Tensor& x) { return x.header() == all[k].header(); });
    };
    for (Index k = 0; k < 3; ++k) {
      const auto value = static_cast<std::size_t>(first + rng.below(others));
      if (names(value) == 1) wanted.push_back(value);
    }
  }
};

struct Found {
  Tensor loss = {};
  std::vector<Tensor> gradients = {};  // of the leaves, then of what is wanted
};

Found differentiate(const Trial& t, std::span<const Tensor> at, bool intermediates,
                    bool differentiable) {
  Tape tape;
  std::vector<Tensor> leaves;
  for (const Tensor& x : at) leaves.push_back(tape.watch(x));
  const auto all = t.program.run(leaves);
  std::vector<Tensor> x = leaves;
  if (intermediates)
    for (const std::size_t k : t.wanted) x.push_back(all[k]);
  const Tensor loss = t.program.loss(all);
  Found found{.loss = detach(loss)};
  for (const Tensor& g :
       tape.gradient(loss, x, {.differentiable = differentiable, .unreached = Unreached::zero}))
    found.gradients.push_back(detach(g));
  return found;
}

void check_close(const std::vector<Tensor>& a, const std::vector<Tensor>& b, double relative,
                 const char* what) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    BOOST_TEST_CONTEXT(what << " " << i)
  BOOST_TEST(disagreement(a[i], b[i], {.relative = relative}) == "");
}

std::vector<Tensor> numeric(const Trial& t) {
  const Tensor one = full({}, 1, f64);
  std::vector<Tensor> all;
  const auto& leaves = t.program.leaves();
  const Function of_leaves = [&](std::span<const Tensor> at) {
    return t.program.loss(t.program.run(at));
  };
  for (std::size_t i = 0; i < leaves.size(); ++i)
    all.push_back(numeric_gradient(of_leaves, leaves, i, one, 0.008).gradient);
  for (const std::size_t k : t.wanted) {
    const Function of_nudge = [&](std::span<const Tensor> at) {
      return t.program.loss(t.program.run(leaves, {{k, at[0]}}));
    };
    const std::vector<Tensor> still{zeros(t.program.shape(k), f64)};
    all.push_back(numeric_gradient(of_nudge, still, 0, one, 0.008).gradient);
  }
  return all;
}

// By backward, which lets go of what it has read, on parameters.
void check_backward(const Trial& t, const Found& found) {
  std::vector<Tensor> parameters;
  for (const Tensor& x : t.program.leaves()) {
    auto info = std::make_shared<detail::LeafInfo>();
    info->last_path = "p" + std::to_string(parameters.size());
    parameters.push_back(detail::make_leaf(x.shape(), f64, info));
    std::copy_n(x.span<double>().data(), x.size(), detail::data<double>(parameters.back()));
  }
  Tape tape;
  const Tensor loss = t.program.loss(t.program.run(parameters));
  const auto twice = tape.backward(loss, {.retain = true});
  const auto grads = tape.backward(loss);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    BOOST_TEST_CONTEXT("parameter " << i) {
      const Tensor g =
          grads.contains(parameters[i]) ? grads[parameters[i]] : zeros_like(parameters[i]);
      BOOST_TEST(disagreement(g, found.gradients[i], {.relative = 1e-12}) == "");
      if (grads.contains(parameters[i])) BOOST_TEST(all_equal(g, twice[parameters[i]]));
    }
  }
}

void check_second_order(Trial& t) {
  const auto& leaves = t.program.leaves();
  std::vector<Tensor> weights;
  for (const Tensor& x : leaves) weights.push_back(random_weights(x.shape(), t.rng));
  const Function first = [&](std::span<const Tensor> at) {
    const Found found = differentiate(t, at, false, false);
    double total = 0;
    for (std::size_t i = 0; i < at.size(); ++i) total += weighted(found.gradients[i], weights[i]);
    return full({}, total, f64);
  };
  for (const bool recorded : {false, true}) {
    Tape tape;
    std::vector<Tensor> x;
    for (const Tensor& leaf : leaves) x.push_back(tape.watch(leaf));
    const auto all = t.program.run(x);
    const auto g = tape.gradient(t.program.loss(all), x,
                                 {.differentiable = true, .unreached = Unreached::zero});
    Tensor total = sum(x[0] * 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) total = total + sum(g[i] * weights[i]);
    const auto second =
        tape.gradient(total, x, {.differentiable = recorded, .unreached = Unreached::zero});
    for (std::size_t i = 0; i < x.size(); ++i) {
      const NumericGradient n = numeric_gradient(first, leaves, i, full({}, 1, f64), 0.008);
      BOOST_TEST_CONTEXT((recorded ? "recorded" : "in place")
                         << " second order, leaf " << i << ", differences trusted to " << n.error)
      BOOST_TEST(disagreement(second[i], n.gradient, {.relative = 1e-6}) == "");
    }
  }
}

void try_program(std::uint64_t seed, Index instructions, bool second_order) {
  Trial t(seed, instructions);
  BOOST_TEST_CONTEXT("program " << seed << " of " << instructions) {
    const auto& leaves = t.program.leaves();
    const auto expected = numeric(t);
    const Found plain = differentiate(t, leaves, false, false);
    const Found all = differentiate(t, leaves, true, false);
    const Found recorded = differentiate(t, leaves, true, true);
    check_close(recorded.gradients, expected, 1e-6, "recorded against differences,");
    check_close(plain.gradients, expected, 1e-6, "in place against differences,");
    check_close(all.gradients, expected, 1e-6, "in place with intermediates against differences,");
    check_close(plain.gradients, recorded.gradients, 1e-12, "in place against recorded,");
    check_close(all.gradients, recorded.gradients, 1e-12,
                "in place with intermediates against recorded,");
    check_backward(t, plain);
    if (second_order) check_second_order(t);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(random_programs)

BOOST_AUTO_TEST_CASE(short_ones) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) try_program(seed, 8, false);
}

BOOST_AUTO_TEST_CASE(medium_ones) {
  for (std::uint64_t seed = 1001; seed <= 1300; ++seed) try_program(seed, 25, false);
}

BOOST_AUTO_TEST_CASE(long_ones) {
  for (std::uint64_t seed = 2001; seed <= 2200; ++seed) try_program(seed, 60, false);
}

BOOST_AUTO_TEST_CASE(of_second_order) {
  for (std::uint64_t seed = 3001; seed <= 3060; ++seed) try_program(seed, 12, true);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
