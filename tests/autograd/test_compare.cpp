#include <unroll/autograd/autograd.h>

#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(comparing)

BOOST_AUTO_TEST_CASE(all_close_finds_the_worst) {
  const Tensor a = tensor({{1.0, 2.0}, {3.0, 4.0}}, f64);
  BOOST_TEST(all_close(a, a * (1 + 1e-7), {.relative = 1e-6}));
  BOOST_TEST(!all_close(a, a * (1 + 1e-5), {.relative = 1e-6}));
  const auto report = all_close(a, tensor({{1.0, 2.5}, {3.1, 4.0}}, f64), {.relative = 1e-6});
  BOOST_TEST(!report.ok());
  BOOST_TEST(report.text().starts_with("2 of 4 elements differ, worst at [0, 1]: 2 and 2.5"),
             report.text());
  BOOST_TEST(all_close(zeros({2}), full({2}, 1e-9), {.absolute = 1e-8}));
  BOOST_TEST(!all_close(zeros({2}), full({2}, 1e-7), {.absolute = 1e-8}));
  BOOST_TEST(!all_close(a, a.to(f32)));
  BOOST_TEST(!all_close(a, reshape(a, {4})));
  BOOST_TEST(!all_close(Tensor{}, a));
  BOOST_TEST(all_close(zeros({0}), zeros({0})));
}

BOOST_AUTO_TEST_CASE(infinities_and_nan) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor nan = tensor({std::nan("")}, f64), up = tensor({inf}, f64),
               down = tensor({-inf}, f64), one = tensor({1.0}, f64);
  BOOST_TEST(!all_close(nan, nan));
  BOOST_TEST(!all_close(nan, one, {.absolute = inf}));
  BOOST_TEST(all_close(up, up));
  BOOST_TEST(!all_close(up, down));
  BOOST_TEST(!all_close(up, one, {.relative = 1}));
  BOOST_TEST(all_equal(nan, nan));
  BOOST_TEST(!all_equal(tensor({0.0}), tensor({-0.0})));
  BOOST_TEST(all_close(tensor({0.0}), tensor({-0.0})));
}

BOOST_AUTO_TEST_CASE(whole_numbers_beyond_double) {
  const Index large = (Index{1} << 60) + 1;
  BOOST_TEST(!all_equal(tensor({large}), tensor({large - 1})));
  constexpr Index odd = (Index{1} << 53) + 1;
  BOOST_TEST(!all_close(tensor({odd}), tensor({odd - 1}), {.relative = 0}));
  BOOST_TEST(!all_close(tensor({odd - 1}), tensor({odd}), {.relative = 0, .absolute = 0.9}));
  BOOST_TEST(all_close(tensor({odd}), tensor({odd - 1}), {.relative = 0, .absolute = 1}));
  BOOST_TEST(all_close(tensor({odd}), tensor({odd - 1})));
  BOOST_TEST(!all_close(tensor({odd}), tensor({Index{0}}), {.relative = 0, .absolute = 0x1p53}));
  constexpr Index least = std::numeric_limits<Index>::min();
  constexpr Index most = std::numeric_limits<Index>::max();
  BOOST_TEST(!all_close(tensor({least}), tensor({most}), {.relative = 1}));
  BOOST_TEST(all_close(tensor({least}), tensor({most}), {.relative = 2}));
  BOOST_TEST(!all_close(tensor({least}), tensor({most}), {.relative = std::nan("")}));
  const auto report = all_close(tensor({odd}), tensor({odd - 1}), {.relative = 0});
  BOOST_TEST(report.text().starts_with("1 of 1 elements differ, worst at [0]: 9007199254740993 "
                                       "and 9007199254740992"),
             report.text());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
