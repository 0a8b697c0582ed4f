// Every operation of the registry against differences, in a test that bears its name.
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/operation_variants.h"

namespace unroll::test {
namespace {

// The leaves of a variant on a tape, and what is asked for.
struct Watched {
  std::vector<Tensor> leaves = {};
  std::vector<Tensor> wanted = {};
  std::vector<std::size_t> number = {};  // of the leaf, for each that is wanted
};

Watched watch(Tape& tape, const Variant& v) {
  Watched w{.leaves = v.leaves};
  for (std::size_t i = 0; i < w.leaves.size(); ++i) {
    if (v.gaps) w.leaves[i] = with_gaps(w.leaves[i]);
    if (!is_watched(v, i)) continue;
    w.wanted.push_back(w.leaves[i] = tape.watch(w.leaves[i]));
    w.number.push_back(i);
  }
  return w;
}

struct Gradients {
  std::vector<Tensor> of;  // undefined for a constant
};

Gradients gradients(Tape& tape, const Variant& v, const Watched& w, const Tensor& y,
                    const Tensor& upstream, bool differentiable) {
  const auto found = tape.gradient(y, w.wanted,
                                   {.upstream = v.gaps ? with_gaps(upstream) : upstream,
                                    .differentiable = differentiable,
                                    .unreached = Unreached::zero});
  Gradients all{.of = std::vector<Tensor>(v.leaves.size())};
  for (std::size_t k = 0; k < found.size(); ++k) all.of[w.number[k]] = detach(found[k]);
  return all;
}

Gradients gradients(const Variant& v, const Tensor& upstream, bool differentiable) {
  Tape tape;
  const Watched w = watch(tape, v);
  return gradients(tape, v, w, v.f(w.leaves), upstream, differentiable);
}

void check_bits(const Gradients& a, const Gradients& b) {
  for (std::size_t i = 0; i < a.of.size(); ++i)
    if (a.of[i].defined()) BOOST_TEST(all_equal(a.of[i], b.of[i]));
}

void check_close(const Gradients& a, const Gradients& b, const Agreement& agreement) {
  for (std::size_t i = 0; i < a.of.size(); ++i)
    if (a.of[i].defined()) BOOST_TEST(disagreement(a.of[i], b.of[i], agreement) == "");
}

// Every entry of the Jacobian with respect to each watched leaf, by a backward for each output
// element, all of one tape.
std::vector<Jacobian> jacobians(const Variant& v, const Tensor& y) {
  Tape tape;
  const Watched w = watch(tape, v);
  const Tensor recorded = v.f(w.leaves);
  std::vector<Jacobian> all(v.leaves.size());
  for (const std::size_t i : w.number) {
    all[i].outputs = y.size();
    all[i].inputs = v.leaves[i].size();
    all[i].entries.resize(static_cast<std::size_t>(y.size() * v.leaves[i].size()));
  }
  for (Index k = 0; k < y.size(); ++k) {
    const Tensor unit = with_element(zeros(y.shape(), f64), k, 1);
    const Gradients row = gradients(tape, v, w, recorded, unit, false);
    for (const std::size_t i : w.number) {
      const auto found = values(row.of[i]);
      std::copy(found.begin(), found.end(),
                all[i].entries.begin() + k * static_cast<Index>(found.size()));
    }
  }
  return all;
}

bool has_small_jacobian(const Tensor& y, const Tensor& x) {
  return y.size() <= 128 && y.size() * x.size() <= 4096;
}

void check_first_order(const Variant& v, const Tensor& y, const Tensor& upstream,
                       const Gradients& found, const std::vector<Jacobian>& analytic) {
  for (std::size_t i = 0; i < v.leaves.size(); ++i) {
    if (!is_watched(v, i)) continue;
    const Jacobian numeric = numeric_jacobian_anywhere(v.f, v.leaves, i);
    BOOST_TEST_CONTEXT("input " << i << ", differences trusted to " << numeric.error) {
      BOOST_TEST(disagreement(found.of[i], weighted_rows(numeric, upstream, v.leaves[i].shape()),
                              {.relative = 1e-7}) == "");
      if (analytic.empty() || !has_small_jacobian(y, v.leaves[i])) continue;
      const Shape shape{numeric.outputs, numeric.inputs};
      BOOST_TEST(disagreement(from(std::span<const double>(analytic[i].entries), shape),
                              from(std::span<const double>(numeric.entries), shape),
                              {.relative = 1e-7}) == "");
    }
  }
}

// Values do not depend on how the operands lie in memory. Products may add up in another order.
void check_values(const Variant& v, const Tensor& y) {
  if (v.dense_f) BOOST_TEST(disagreement(y, v.dense_f(v.leaves), {.relative = 1e-14}) == "");
  if (!v.gaps) return;
  std::vector<Tensor> apart;
  for (const Tensor& leaf : v.leaves) apart.push_back(with_gaps(leaf));
  BOOST_TEST(disagreement(y, v.f(apart), {.relative = 1e-14}) == "");
}

// A gradient is linear in what comes from above: 0 gives exactly 0, and y + y exactly twice as
// much. A second backward pass gives the same bits. With two calls, f(x) + f(x), the second adds to
// what the first has left: twice as much but for the order of sums.
void check_linear(const Variant& v, const Tensor& upstream, const Gradients& found) {
  for (const Tensor& g : gradients(v, zeros_like(upstream), false).of)
    if (g.defined())
      for (const double value : values(g)) BOOST_REQUIRE_EQUAL(value, 0.0);
  Tape tape;
  const Watched w = watch(tape, v);
  const Tensor y = v.f(w.leaves);
  const Gradients first = gradients(tape, v, w, y, upstream, false);
  check_bits(found, first);
  check_bits(first, gradients(tape, v, w, y, upstream, false));
  const Gradients doubled = gradients(tape, v, w, y + y, upstream, false);
  const Gradients recorded = gradients(tape, v, w, y + y, upstream, true);
  const Gradients recorded_once = gradients(tape, v, w, y, upstream, true);
  for (const std::size_t i : w.number) {
    BOOST_TEST(all_equal(doubled.of[i], first.of[i] * 2.0));
    BOOST_TEST(all_equal(recorded.of[i], recorded_once.of[i] * 2.0));
  }
  const Gradients apart = gradients(tape, v, w, y + v.f(w.leaves), upstream, false);
  for (const std::size_t i : w.number)
    BOOST_TEST(disagreement(apart.of[i], first.of[i] * 2.0, {.relative = 1e-13}) == "");
}

// How much each element of a gradient moves, in units of what its inputs are moved by, where these
// are moved by as much as a rounding of theirs, in a few directions.
std::vector<std::vector<double>> conditions(const Variant& v, const Tensor& upstream,
                                            const Gradients& found, Rng& rng) {
  constexpr double step = 1e-5;
  std::vector<std::vector<double>> all(v.leaves.size());
  for (int direction = 0; direction < 4; ++direction) {
    Variant moved = v;
    for (Tensor& leaf : moved.leaves)
      if (is_floating(leaf.dtype())) {
        auto x = values(leaf);
        for (double& value : x) value *= 1 + (rng.uniform() < 0.5 ? -step : step);
        leaf = from(std::span<const double>(x), leaf.shape());
      }
    const Gradients g = gradients(moved, upstream, false);
    for (std::size_t i = 0; i < v.leaves.size(); ++i) {
      if (!is_watched(v, i)) continue;
      const auto before = values(found.of[i]);
      const auto after = values(g.of[i]);
      all[i].resize(before.size());
      for (std::size_t j = 0; j < before.size(); ++j)
        all[i][j] = std::max(all[i][j], std::abs(after[j] - before[j]) / step);
    }
  }
  return all;
}

// An element of a gradient is g_j = Σ_k u_k J_kj. In f32 it may be off by 16 ulp · √n of
// s_j = Σ_k |u_k J_kj| + Σ_i |x_i ∂g_j/∂x_i|, where n is the number of its terms, counted from the
// Jacobian: the output elements that the input element reaches. The second sum is what roundings of
// x, or of a saved value, do to an exact rule. Entries of J may be differences themselves: s_j
// counts as at least a sixteenth of the largest. This of operations alone; what is composed of
// several, or degenerate, is held to 1e-4.
void check_single_precision(const Variant& v, const Tensor& upstream, const Gradients& found,
                            const std::vector<Jacobian>& jacobian, Rng& rng) {
  Variant single = v;
  for (Tensor& leaf : single.leaves)
    if (is_floating(leaf.dtype())) leaf = leaf.to(f32);
  const Tensor y = single.f(single.leaves);
  BOOST_TEST(disagreement(y, v.f(v.leaves), {.relative = 1e-4}) == "");
  const Gradients in_single = gradients(single, upstream.to(y.dtype()), false);
  const auto u = values(upstream);
  const Agreement single_precision{.relative = 1e-4, .scale = std::max(30.0, v.scale)};
  const bool by_ulps = v.alone && !jacobian.empty();
  const auto condition = by_ulps ? conditions(v, upstream, found, rng)
                                 : std::vector<std::vector<double>>(v.leaves.size());
  for (std::size_t i = 0; i < v.leaves.size(); ++i) {
    if (!is_watched(v, i)) continue;
    BOOST_TEST(disagreement(in_single.of[i], found.of[i], single_precision) == "");
    if (!by_ulps) continue;
    const auto exact = values(found.of[i]);
    const auto rounded = values(in_single.of[i]);
    std::vector<double> size = condition[i];
    std::vector<double> terms(exact.size());
    for (std::size_t j = 0; j < exact.size(); ++j)
      for (std::size_t k = 0; k < u.size(); ++k) {
        const double entry = jacobian[i].at(static_cast<Index>(k), static_cast<Index>(j));
        size[j] += std::abs(u[k] * entry);
        terms[j] += entry != 0 ? 1 : 0;
      }
    const double least = size.empty() ? 0 : *std::max_element(size.begin(), size.end()) / 16;
    for (std::size_t j = 0; j < exact.size(); ++j) {
      const double ulps =
          std::abs(rounded[j] - exact[j]) / std::ldexp(std::max(size[j], least), -23);
      if (rounded[j] == exact[j] || ulps <= 16 * std::sqrt(std::max(1.0, terms[j]))) continue;
      BOOST_ERROR("f32: input " << i << ", element " << j << " of " << describe(v.leaves[i]) << ": "
                                << rounded[j] << " for " << exact[j] << " is " << ulps
                                << " ulp off, with " << terms[j] << " terms");
    }
  }
}

// The first gradient, weighted, as a function of the leaves and of the upstream gradient.
void check_second_order(const Variant& v, const Tensor& upstream, Rng& rng) {
  std::vector<Tensor> point = v.leaves;
  point.push_back(upstream);
  std::vector<Tensor> weights;
  for (const Tensor& leaf : v.leaves) weights.push_back(random_weights(leaf.shape(), rng));

  const Function first = [&](std::span<const Tensor> at) {
    Variant here = v;
    here.gaps = false;
    here.leaves.assign(at.begin(), at.end() - 1);
    double total = 0;
    const Gradients g = gradients(here, at.back(), false);
    for (std::size_t i = 0; i < g.of.size(); ++i)
      if (g.of[i].defined()) total += weighted(g.of[i], weights[i]);
    return full({}, total, f64);
  };

  Tape tape;
  Watched w = watch(tape, v);
  const Tensor y = v.f(w.leaves);
  const Tensor u = tape.watch(v.gaps ? with_gaps(upstream) : upstream);
  const auto g = tape.gradient(
      y, w.wanted, {.upstream = u, .differentiable = true, .unreached = Unreached::zero});
  Tensor total = full({}, 0, f64);
  for (std::size_t k = 0; k < g.size(); ++k) total = total + sum(g[k] * weights[w.number[k]]);
  w.wanted.push_back(u);
  w.number.push_back(v.leaves.size());
  std::vector<Tensor> second;
  try {
    second = tape.gradient(total, w.wanted, {.unreached = Unreached::zero});
  } catch (const Error& e) {
    // A gradient that has no history at all, as one with respect to nothing.
    if (std::string(e.what()).find("has no history") == std::string::npos) throw;
    for (const Tensor& x : w.wanted) second.push_back(zeros_like(x));
  }
  for (std::size_t k = 0; k < w.wanted.size(); ++k) {
    const NumericGradient numeric =
        numeric_gradient_anywhere(first, point, w.number[k], full({}, 1, f64));
    BOOST_TEST_CONTEXT("second order, leaf " << w.number[k] << ", differences trusted to "
                                             << numeric.error)
    BOOST_TEST(disagreement(second[k], numeric.gradient, {.relative = 1e-6}) == "");
  }
}

// A function of constants alone is not recorded.
void check_constant(const Variant& v, const Tensor& upstream) {
  Tape tape;
  const Tensor x = tape.watch(ones({2}, f64));
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(v.f(v.leaves), x, {.upstream = upstream})),
                    Error);
  BOOST_TEST(tape.nodes() == 0);
}

struct Tally {
  std::set<std::string> variants;
  int jacobians = 0;
  int second_order = 0;
};

void judge(const Variant& v, bool second_order, Rng& rng, Tally& tally) {
  BOOST_TEST_CONTEXT(v.name) {
    const Tensor y = v.f(v.leaves);
    const Tensor upstream = random_weights(y.shape(), rng).to(f32).to(f64);
    tally.variants.insert(v.name);
    bool any = false;
    bool small = true;
    Index elements = upstream.size();
    for (std::size_t i = 0; i < v.leaves.size(); ++i) {
      any = any || is_watched(v, i);
      small = small && has_small_jacobian(y, v.leaves[i]);
      elements += v.leaves[i].size();
    }
    if (!any) return check_constant(v, upstream);
    const auto jacobian = small ? jacobians(v, y) : std::vector<Jacobian>{};
    tally.jacobians += small && y.size() > 0 ? 1 : 0;
    check_values(v, y);
    const Gradients found = gradients(v, upstream, false);
    check_first_order(v, y, upstream, found, jacobian);
    check_close(found, gradients(v, upstream, true), {.relative = 1e-13, .scale = v.scale});
    check_linear(v, upstream, found);
    check_single_precision(v, upstream, found, jacobian, rng);
    if (!second_order || elements > 120) return;
    check_second_order(v, upstream, rng);
    tally.second_order += y.size() > 0 ? 1 : 0;
  }
}

void check_operation(const Operation& operation) {
  BOOST_REQUIRE_MESSAGE(operation.check != nullptr, "the operation has no check row");
  const Check check = operation.check();
  BOOST_REQUIRE_MESSAGE(!check.cases.empty(), "the check row has no cases");
  Rng rng(std::hash<std::string_view>{}(operation.name));
  Tally tally;
  for (int draw_number = 0; draw_number < 2; ++draw_number)
    for (const Variant& v : variants_of(check, rng)) judge(v, check.second_order, rng, tally);
  BOOST_TEST(tally.variants.size() >= 24U);
  BOOST_TEST(tally.jacobians >= 24);
  if (check.second_order) BOOST_TEST(tally.second_order >= 24);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(operations)

const auto operation_cases = for_every_operation(check_operation, __FILE__);

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(registry)

BOOST_AUTO_TEST_CASE(names_are_unique_and_sorted) {
  const auto all = registered_operations();
  BOOST_TEST(all.size() > 40U);
  for (std::size_t i = 1; i < all.size(); ++i)
    BOOST_TEST(std::strcmp(all[i - 1]->name, all[i]->name) < 0, all[i]->name);
}

BOOST_AUTO_TEST_CASE(every_operation_says_its_formula) {
  for (const Operation* operation : registered_operations())
    BOOST_TEST(std::strlen(operation->formula) > 0U, operation->name);
}

// The others are checked to second order by their own test.
BOOST_AUTO_TEST_CASE(few_operations_cannot_be_differentiated_twice) {
  const auto all = registered_operations();
  std::size_t exceptions = 0;
  for (const Operation* operation : all) {
    if (operation->check == nullptr || operation->check().second_order) continue;
    BOOST_TEST_MESSAGE("without a second derivative: " << operation->name);
    ++exceptions;
  }
  BOOST_TEST_MESSAGE(exceptions << " of " << all.size() << " operations");
  BOOST_TEST(20 * exceptions <= all.size());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
