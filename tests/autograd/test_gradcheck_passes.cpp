// What gradcheck asks of backward passes beside their values at one upstream gradient.
#include <unroll/unroll.h>

#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/ruled.h"

namespace unroll::test {
namespace {

Tensor twice(const Tensor& x) { return 2.0 * x; }

// The check that notices a rule for 2x whose values are right where they are compared with
// differences.
void expect(const char* check, const GradcheckReport& report) {
  BOOST_TEST(finding_of(report, check) != nullptr, report);
  BOOST_TEST(finding_of(report, "gradient") == nullptr, report);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_passes)

BOOST_AUTO_TEST_CASE(zero_from_above) {
  const Ruled adds{
      twice, [](const Backward&, const Tensor&, const Tensor& dy) { return dy * 2.0 + 1e-12; }};
  expect("zero upstream", gradcheck(adds, {uniform({3}, -1, 1)}));
}

BOOST_AUTO_TEST_CASE(linear_in_what_comes_from_above) {
  const Ruled clipped{twice, [](const Backward&, const Tensor&, const Tensor& dy) {
                        return clamp(dy * 2.0, {.low = -4, .high = 4});
                      }};
  expect("linearity", gradcheck(clipped, {uniform({30}, -1, 1)}));
}

BOOST_AUTO_TEST_CASE(recorded_or_in_place) {
  const Ruled differs{twice, [](const Backward& b, const Tensor&, const Tensor& dy) {
                        return dy * (b.differentiable() ? 2.0 + 1e-8 : 2.0);
                      }};
  expect("recorded", gradcheck(differs, {uniform({3}, -1, 1)}));
  const Ruled cannot{twice, [](const Backward& b, const Tensor&, const Tensor& dy) {
                       if (b.differentiable())
                         fail("cannot", {.given = "second order", .needed = {}, .hint = {}});
                       return dy * 2.0;
                     }};
  const auto first = gradcheck(cannot, {uniform({3}, -1, 1)});
  BOOST_TEST(first.ok(), first);
  BOOST_CHECK_THROW(static_cast<void>(gradcheck(cannot, {uniform({3}, -1, 1)}, {.order = 2})),
                    Error);
}

BOOST_AUTO_TEST_CASE(views_from_above) {
  const Ruled reads_ahead{twice, [](const Backward&, const Tensor&, const Tensor& dy) {
                            const std::span<const double> flat{detail::data<double>(dy),
                                                               static_cast<std::size_t>(dy.size())};
                            return dy.dtype() == f64 ? 2.0 * from(flat, dy.shape()) : 2.0 * dy;
                          }};
  expect("layout", gradcheck(reads_ahead, {uniform({3}, -1, 1)}));
  const Ruled refuses{twice, [](const Backward&, const Tensor&, const Tensor& dy) {
                        if (dy.dtype() == f64) static_cast<void>(dy.span<double>());
                        return dy * 2.0;
                      }};
  expect("layout", gradcheck(refuses, {uniform({3}, -1, 1)}));
}

BOOST_AUTO_TEST_CASE(inputs_alone) {
  static const Operation record{.name = "forgets", .derivative = [](Backward& b) {
                                  if (b.needs(0) && b.needs(1)) b.add(0, b.upstream());
                                  if (b.needs(1)) b.add(1, b.upstream());
                                }};
  const auto forgets = [](const Tensor& x, const Tensor& y) {
    Tensor sum_of;
    {
      const detail::RecordingOff off;
      sum_of = x + y;
    }
    return detail::record(record, {&x, &y}, sum_of);
  };
  expect("alone", gradcheck(forgets, {uniform({3}, -1, 1), uniform({3}, -1, 1)}));
}

BOOST_AUTO_TEST_CASE(forward_against_reverse) {
  const Ruled detached{
      twice, [](const Backward&, const Tensor&, const Tensor& dy) { return detach(dy) * 2.0; }};
  BOOST_TEST(gradcheck(detached, {uniform({3}, -1, 1)}).ok());
  const auto report = gradcheck(detached, {uniform({3}, -1, 1)}, {.order = 2});
  expect("forward against reverse", report);
  BOOST_TEST((report.findings().front().cause == GradcheckCause::missing));
}

// A second derivative that is wrong, though the gradient and its dependence on what comes from
// above are right.
BOOST_AUTO_TEST_CASE(second_order) {
  const Ruled detached{
      [](const Tensor& x) { return exp(x); },
      [](const Backward&, const Tensor& x, const Tensor& dy) { return dy * exp(detach(x)); }};
  BOOST_TEST(gradcheck(detached, {uniform({3}, -1, 1)}).ok());
  const auto report = gradcheck(detached, {uniform({3}, -1, 1)}, {.order = 2});
  expect("second order", report);
  BOOST_TEST((report.findings().front().cause == GradcheckCause::missing));
  BOOST_TEST(report.text().find("second order: input 0 [3] at [0], output [0]: analytic 0") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(single_precision) {
  const Ruled coarse{[](const Tensor& x) { return sin(x); },
                     [](const Backward&, const Tensor& x, const Tensor& dy) {
                       return x.dtype() == f32 ? dy * ((cos(x) + 1e3) - 1e3) : dy * cos(x);
                     }};
  for (int draw = 0; draw < 20; ++draw)
    expect("single precision", gradcheck(coarse, {uniform({30}, -1, 1)}));
  BOOST_TEST(gradcheck(coarse, {uniform({30}, -1, 1)}, {.single_precision = false}).ok());
  const Tensor captured = uniform({30}, -1, 1, f64);
  BOOST_TEST(gradcheck([&](const Tensor& x) { return x * captured; }, {uniform({30}, -1, 1)}).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
