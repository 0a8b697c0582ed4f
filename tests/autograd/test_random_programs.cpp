// Gradients of programs drawn at random: in place, recorded, by differences.
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <set>

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

// The loss as a function of leaves and of what is added to the values that are wanted.
struct Argument {
  Function loss;
  std::vector<Tensor> point;
  std::size_t which;
};
Argument argument(const Trial& t, std::size_t k) {
  const auto& leaves = t.program.leaves();
  if (k < leaves.size())
    return {[&t](std::span<const Tensor> at) { return t.program.loss(t.program.run(at)); }, leaves,
            k};
  const std::size_t value = t.wanted[k - leaves.size()];
  return {[&t, value](std::span<const Tensor> at) {
            return t.program.loss(t.program.run(t.program.leaves(), {{value, at[0]}}));
          },
          {zeros(t.program.shape(value), f64)},
          0};
}

// By differences of two sizes, whichever agree better.
NumericGradient differences(const Function& f, const std::vector<Tensor>& point,
                            std::size_t which) {
  const Tensor one = full({}, 1, f64);
  const NumericGradient wide = numeric_gradient(f, point, which, one, 0.008);
  if (wide.error < 1e-9) return wide;
  const NumericGradient narrow = numeric_gradient(f, point, which, one, 0.001);
  return narrow.error < wide.error ? narrow : wide;
}

struct Score {
  int compared = 0;
  int untrusted = 0;  // the point lies at a kink, or where it is too steep for differences
  std::set<std::string> operations = {};
};

// The gradients of short programs element by element, of long ones along a few directions.
void check_differences(Trial& t, const Found& found, bool everywhere, Score& score) {
  for (std::size_t k = 0; k < found.gradients.size(); ++k) {
    const Argument a = argument(t, k);
    const Tensor& g = found.gradients[k];
    for (int direction = 0; direction < (everywhere ? 1 : 3); ++direction) {
      Tensor expected, given = g;
      double error = 0;
      if (everywhere) {
        const NumericGradient n = differences(a.loss, a.point, a.which);
        expected = n.gradient;
        error = n.error;
      } else {
        const Tensor d = random_weights(g.shape(), t.rng);
        const Function along = [&](std::span<const Tensor> at) {
          std::vector<Tensor> point = a.point;
          point[a.which] = point[a.which] + d * at[0];
          return a.loss(point);
        };
        const NumericGradient n = differences(along, {full({}, 0, f64)}, 0);
        expected = n.gradient;
        error = n.error;
        given = full({}, weighted(g, d), f64);
      }
      double size = 0;
      for (const double v : values(expected)) size = std::max(size, std::abs(v));
      ++score.compared;
      if (error > 1e-8 * std::max(size, 1.0)) {
        ++score.untrusted;
        continue;
      }
      BOOST_TEST_CONTEXT("value " << k << ", differences trusted to " << error)
      BOOST_TEST(disagreement(given, expected, {.relative = 1e-6}) == "");
    }
  }
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

void try_program(std::uint64_t seed, Index instructions, bool second_order, Score& score) {
  Trial t(seed, instructions);
  for (const std::string& name : t.program.registered()) score.operations.insert(name);
  BOOST_TEST_CONTEXT("program " << seed << " of " << instructions) {
    const auto& leaves = t.program.leaves();
    const Found plain = differentiate(t, leaves, false, false);
    const Found all = differentiate(t, leaves, true, false);
    const Found recorded = differentiate(t, leaves, true, true);
    check_differences(t, recorded, instructions <= 8, score);
    check_close(plain.gradients, recorded.gradients, 1e-12, "in place against recorded,");
    check_close(all.gradients, recorded.gradients, 1e-12,
                "in place with intermediates against recorded,");
    check_backward(t, plain);
    if (second_order) check_second_order(t);
  }
}

Score try_programs(std::uint64_t first, int count, Index instructions, bool second_order = false) {
  Score score;
  for (int k = 0; k < count; ++k)
    try_program(first + static_cast<std::uint64_t>(k), instructions, second_order, score);
  BOOST_TEST_MESSAGE("programs " << first << " … " << first + static_cast<std::uint64_t>(count) - 1
                                 << ": " << score.operations.size() << " operations, "
                                 << score.untrusted << " of " << score.compared
                                 << " comparisons not trusted");
  BOOST_TEST(50 * score.untrusted <= score.compared);
  return score;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(random_programs)

BOOST_AUTO_TEST_CASE(short_ones) {
  const Score score = try_programs(1, 900, 8);
  // Whatever the registry has enters by itself, unless its operands are larger than all values.
  const auto all = registered_operations();
  BOOST_TEST(10 * score.operations.size() >= 8 * all.size());
}

BOOST_AUTO_TEST_CASE(medium_ones) { try_programs(1001, 700, 25); }

BOOST_AUTO_TEST_CASE(long_ones) { try_programs(2001, 400, 60); }

BOOST_AUTO_TEST_CASE(of_second_order) { try_programs(3001, 60, 12, true); }

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
