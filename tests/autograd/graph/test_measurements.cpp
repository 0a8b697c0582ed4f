// Statistics and timings of what a tape records.
#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// By the formulas, in long double.
graph::Statistics expected_statistics(const Tensor& x) {
  graph::Statistics s;
  const Tensor dense = contiguous(x).to(f64);
  std::vector<long double> finite;
  for (const double e : dense.span<double>()) {
    s.nan += std::isnan(e) ? 1 : 0;
    s.infinite += std::isinf(e) ? 1 : 0;
    s.zeros += e == 0 ? 1 : 0;
    if (std::isfinite(e)) finite.push_back(e);
  }
  if (finite.empty()) return s;
  const auto n = static_cast<long double>(finite.size());
  long double mean = 0, square = 0;
  for (const long double e : finite) mean += e / n;
  for (const long double e : finite) square += (e - mean) * (e - mean) / n;
  s.mean = static_cast<double>(mean);
  s.deviation = static_cast<double>(std::sqrt(square));
  s.least = static_cast<double>(*std::min_element(finite.begin(), finite.end()));
  s.most = static_cast<double>(*std::max_element(finite.begin(), finite.end()));
  return s;
}

void check_statistics(const std::optional<graph::Statistics>& given, const Tensor& x) {
  BOOST_REQUIRE(given.has_value());
  const graph::Statistics e = expected_statistics(x);
  const double size = std::max(std::abs(e.least), std::abs(e.most));
  BOOST_TEST(std::abs(given->mean - e.mean) <= 1e-12 * size);
  BOOST_TEST(std::abs(given->deviation - e.deviation) <= 1e-12 * size);
  BOOST_TEST(given->least == e.least);
  BOOST_TEST(given->most == e.most);
  BOOST_TEST(given->nan == e.nan);
  BOOST_TEST(given->infinite == e.infinite);
  BOOST_TEST(given->zeros == e.zeros);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(measurements)

BOOST_AUTO_TEST_CASE(statistics_of_values_and_leaves) {
  const Tensor p = make_parameter(random_values({40, 30}, 1), "p");
  Tape tape({.statistics = true});
  std::vector<Tensor> watched{
      tape.watch(random_values({40, 30}, 2)),
      tape.watch(random_values({40, 30}, 3, f32).to(f64)),
      tape.watch(tensor({0.0, nan, -infinity, infinity, 2.0, -0.0, 5.0}).to(f64)),
      tape.watch(tensor({nan, infinity}).to(f64)),
      tape.watch(full({2}, 1e308, f64)),
      tape.watch(full({3}, 1e-310, f64)),
      tape.watch(zeros({0, 3}, f64)),
      tape.watch(full({1000}, 1e200, f64) * random_values({1000}, 4))};
  std::vector<Tensor> made{p * watched[0],   transpose(watched[1], 0, 1),
                           exp(watched[2]),  select(p, 1, 3),
                           watched[3] * 0.0, watched[4] * 10.0};
  for (const Tensor& x : split<2>(concat({p, p}, 0), 0)) made.push_back(x);
  const auto s = tape.snapshot();
  for (const auto* list : {&watched, &made})
    for (const Tensor& x : *list) check_statistics(s.values.at(x.header()->value).statistics, x);
  for (const graph::Value& v : s.values) {
    BOOST_TEST(v.statistics.has_value());
    if (v.name == "p") check_statistics(v.statistics, p);
    BOOST_TEST(!v.gradient_norm.has_value());
  }
  for (const graph::Node& n : s.nodes) BOOST_TEST(!n.seconds.has_value());
}

// As it was when it was recorded, before what is written over it, and after backward.
BOOST_AUTO_TEST_CASE(at_the_time_of_recording) {
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "p");
  Tape tape({.statistics = true});
  static_cast<void>(tape.backward(sum(p * p)));
  overwrite(p, 9, 1);
  const auto s = tape.snapshot();
  BOOST_TEST(s.values.at(0).statistics->most == 2.0);
  BOOST_TEST(s.values.back().statistics->mean == 5.0);
}

BOOST_AUTO_TEST_CASE(nothing_unless_asked_for) {
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "p");
  { const Tape before({.statistics = true, .timings = true}); }
  for (int i = 0; i < 3; ++i) {  // recordings are used again
    Tape tape;
    const Tensor loss = sum(p * p);
    static_cast<void>(tape.backward(loss));
    for (const graph::Value& v : tape.snapshot().values) {
      BOOST_TEST(!v.statistics.has_value());
      BOOST_TEST(!v.gradient_norm.has_value());
    }
    for (const graph::Node& n : tape.snapshot().nodes) {
      BOOST_TEST(!n.seconds.has_value());
      BOOST_TEST(!n.backward_seconds.has_value());
    }
  }
}

// What takes long has the greater part of the time, forward and backward; products that are taken
// together are shared out.
BOOST_AUTO_TEST_CASE(timings_add_up) {
  const Tensor W = make_parameter(random_values({300, 300}, 1, f32), "W");
  Tape tape({.timings = true});
  Tensor y = tape.watch(random_values({300, 300}, 2, f32));
  for (int i = 0; i < 3; ++i) y = tanh(matmul(y, W) + 1.0);
  const Tensor loss = mean(y);
  for (const graph::Node& n : tape.snapshot().nodes) {
    BOOST_TEST(n.seconds.value() > 0);
    BOOST_TEST(!n.backward_seconds.has_value());
  }
  static_cast<void>(tape.backward(loss));
  double products = 0, small = 0;
  for (const graph::Node& n : tape.snapshot().nodes) {
    BOOST_TEST(n.seconds.value() > 0);
    BOOST_TEST(n.backward_seconds.value() > 0);
    BOOST_TEST(n.backward_seconds.value() < 10);
    (n.operation == "matmul" ? products : small) += n.backward_seconds.value();
    BOOST_TEST(!tape.snapshot().values.at(0).statistics.has_value());
  }
  BOOST_TEST(products > 0);
  BOOST_TEST(small > 0);
}

// Results are the same to the bit, whatever is measured.
BOOST_AUTO_TEST_CASE(results_are_the_same) {
  nn::GRU layer({.input = 3, .hidden = 4, .layers = 2, .recompute_every = 2});
  randomize(layer, 2);
  const Tensor x = random_values({5, 2, 3}, 3, f32);
  Gradients plain;
  for (const bool measured : {false, true}) {
    Tape tape({.check_finite = measured, .statistics = measured, .timings = measured});
    const auto grads = tape.backward(weighted_sum(layer(x)));
    if (!measured) plain = grads;
    for (const auto& [path, p] : layer.parameters()) BOOST_TEST(all_equal(grads[p], plain[p]));
    const auto s = tape.snapshot();
    for (const graph::Value& v : s.values) BOOST_TEST(v.statistics.has_value() == measured);
    for (const graph::Node& n : s.nodes) BOOST_TEST(n.seconds.has_value() == measured);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
