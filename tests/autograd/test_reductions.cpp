// Reductions at the points where they go wrong elsewhere.
#include <cmath>
#include <functional>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

using Unary = std::function<Tensor(const Tensor&)>;

Tensor gradient_of(const Unary& f, const Tensor& x, bool differentiable = false) {
  Tape tape;
  const Tensor leaf = tape.watch(x);
  return detach(tape.gradient(sum(f(leaf)), leaf, {.differentiable = differentiable}));
}

// The gradient on both ways.
void check_gradient(const Unary& f, const Tensor& x, const Tensor& expected) {
  for (const bool differentiable : {false, true})
    BOOST_TEST(all_equal(gradient_of(f, x, differentiable) + 0.0, expected));
}

struct Reducer {
  std::string name;
  std::function<Tensor(const Tensor&, Index)> f;
};
std::vector<Reducer> reducers() {
  return {{"sum", [](auto& x, Index a) { return sum(x, a); }},
          {"mean", [](auto& x, Index a) { return mean(x, a); }},
          {"max", [](auto& x, Index a) { return max(x, a); }},
          {"min", [](auto& x, Index a) { return min(x, a); }},
          {"prod", [](auto& x, Index a) { return prod(x, a); }},
          {"var", [](auto& x, Index a) { return var(x, a); }},
          {"stddev", [](auto& x, Index a) { return stddev(x, a); }},
          {"norm 1", [](auto& x, Index a) { return norm(x, a, {.p = 1}); }},
          {"norm 2", [](auto& x, Index a) { return norm(x, a); }},
          {"norm inf", [](auto& x, Index a) { return norm(x, a, {.p = inf}); }},
          {"logsumexp", [](auto& x, Index a) { return logsumexp(x, a); }}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reductions)

// Body and tail of every register, first and last place; rows and columns.
BOOST_AUTO_TEST_CASE(a_nan_reaches_its_result_from_every_place_and_no_other) {
  for (const auto& [name, f] : reducers())
    for (const DType dtype : {f32, f64})
      for (const Index n : {1, 2, 7, 16, 35})
        for (Index at = 0; at < n; ++at) {
          const Tensor ramp = reshape(arange(3 * n), {3, n}).to(dtype) * 0.01;
          const Tensor x = with_element(ramp, n + at, nan).to(dtype);
          const auto rows = values(f(x, 1));
          const auto columns = values(f(contiguous(transpose(x, 0, 1)), 0));
          const bool defined = n > 1 || (name != "var" && name != "stddev");
          BOOST_TEST_CONTEXT(name << " " << name_of(dtype) << " " << n << " at " << at) {
            BOOST_TEST((std::isnan(rows[1]) && std::isnan(columns[1])));
            BOOST_TEST(std::isnan(rows[0]) != defined);
            BOOST_TEST(std::isnan(columns[2]) != defined);
          }
        }
}

BOOST_AUTO_TEST_CASE(of_equals_the_first_wins) {
  const Tensor x = tensor({{2.0, 1.0, 1.0, 2.0}, {3.0, 3.0, 3.0, 3.0}}, f64);
  check_gradient([](auto& v) { return min(v, -1); }, x,
                 tensor({{0.0, 1.0, 0.0, 0.0}, {1.0, 0.0, 0.0, 0.0}}, f64));
  check_gradient([](auto& v) { return max(v, -1); }, x,
                 tensor({{1.0, 0.0, 0.0, 0.0}, {1.0, 0.0, 0.0, 0.0}}, f64));
  check_gradient([](auto& v) { return norm(v, -1, {.p = inf}); }, -x,
                 tensor({{-1.0, 0.0, 0.0, 0.0}, {-1.0, 0.0, 0.0, 0.0}}, f64));
  BOOST_TEST(all_equal(argmin(x, -1), tensor({1, 0})));
  BOOST_TEST(all_equal(argmax(x, 0, {.keepdim = true}), tensor({{1, 1, 1, 1}})));
  BOOST_TEST(argmax(x).item<Index>() == 4);
  BOOST_TEST(argmin(x).item<Index>() == 1);
  BOOST_TEST(argmax(full({}, 3, f64)).item<Index>() == 0);
  BOOST_TEST(all_equal(argmax(transpose(x, 0, 1), 0), tensor({0, 0})));
  BOOST_TEST(max(tensor({3, 9, 2})).item<Index>() == 9);
  BOOST_TEST(min(transpose(tensor({{3, 9}, {2, 4}}), 0, 1)).item<Index>() == 2);
}

BOOST_AUTO_TEST_CASE(positions_of_scattered_axes) {
  Rng rng(3);
  const Tensor x = uniform({3, 4, 5, 2}, -1, 1, rng, f64);
  const Tensor y = max(x, {0, 2});
  const auto all = values(x);
  for (Index j = 0; j < 4; ++j)
    for (Index l = 0; l < 2; ++l) {
      double best = -inf;
      for (Index i = 0; i < 3; ++i)
        for (Index k = 0; k < 5; ++k)
          best = std::max(best, all[static_cast<std::size_t>(((i * 4 + j) * 5 + k) * 2 + l)]);
      BOOST_TEST(select(select(y, 0, j), 0, l).item() == best);
    }
  const Tensor g = gradient_of([](auto& v) { return max(v, {0, 2}); }, x);
  BOOST_TEST(sum(g).item() == 8.0);
  BOOST_TEST(sum(g * x).item() == sum(y).item());
}

BOOST_AUTO_TEST_CASE(a_small_spread_around_a_large_mean) {
  // Spacing of f32 at 1e8 is 8, of f64 1.5e-8.
  std::vector<double> near;
  for (int k = 0; k < 1001; ++k) near.push_back(static_cast<double>(k * k % 11 - 3));
  const auto judge = [&](double mean_of, double unit, DType dtype, double relative) {
    std::vector<double> numbers;
    for (const double v : near) numbers.push_back(mean_of + v * unit);
    const Tensor x = from(std::span<const double>(numbers), {1001}).to(dtype);
    const auto exact = values(x);
    // Counted from the first element: the mean itself has more digits than a long double.
    std::vector<long double> away;
    long double middle = 0, squares = 0;
    for (const double v : exact)
      middle += away.emplace_back(static_cast<long double>(v) - exact[0]) / 1001;
    for (const long double v : away) squares += (v - middle) * (v - middle);
    BOOST_TEST_CONTEXT(mean_of << " " << unit << " " << name_of(dtype)) {
      const double expected = static_cast<double>(squares / 1000);
      BOOST_TEST(std::abs(var(x).item() / expected - 1) < relative);
      BOOST_TEST(std::abs(stddev(x, Axes::all(), {.correction = 0}).item() /
                              std::sqrt(static_cast<double>(squares / 1001)) -
                          1) < relative);
      // Columns, and the gradient 2 (x - mean) / 1000.
      const Tensor pair = transpose(stack({x, x}, 0), 0, 1);
      BOOST_TEST(std::abs(select(var(pair, 0), 0, 1).item() / expected - 1) < relative);
      for (const bool differentiable : {false, true}) {
        const auto g = values(gradient_of([](auto& v) { return var(v); }, x, differentiable));
        for (const std::size_t k : {0U, 1U, 6U, 501U})
          BOOST_TEST(std::abs(g[k] / static_cast<double>((away[k] - middle) / 500) - 1) <
                     100 * relative);
      }
    }
  };
  judge(1e8, 8, f32, 1e-6);
  judge(1e8, 1e-3, f64, 1e-13);
  judge(-1e8, 1, f64, 1e-13);
  judge(0, 1e-20, f32, 1e-6);
}

BOOST_AUTO_TEST_CASE(spread_of_few_elements) {
  const Tensor one = full({1}, 3, f64);
  BOOST_TEST(std::isnan(var(one).item()));
  BOOST_TEST(var(one, Axes::all(), {.correction = 0}).item() == 0.0);
  BOOST_TEST(var(full({}, 3, f64), Axes::all(), {.correction = 0}).item() == 0.0);
  BOOST_TEST(var(tensor({1.0, 2.0}, f64), Axes::all(), {.correction = 2}).item() == inf);
  BOOST_TEST(std::isnan(var(zeros({0}, f64)).item()));
  BOOST_TEST(std::isnan(select(stddev(zeros({2, 0}), -1), 0, 1).item()));
}

BOOST_AUTO_TEST_CASE(derivatives_at_zero) {
  const Tensor equal = full({2, 3}, 0.7, f64);
  check_gradient([](auto& x) { return stddev(x, -1); }, equal, zeros({2, 3}, f64));
  for (const double p : {1.0, 2.0, inf})
    check_gradient([p](auto& x) { return norm(x, -1, {.p = p}); }, zeros({2, 3}, f64),
                   zeros({2, 3}, f64));
  check_gradient([](auto& x) { return norm(x, Axes::all(), {.p = 1}); },
                 tensor({0.0, -2.0, 3.0}, f64), tensor({0.0, -1.0, 1.0}, f64));
  // The second derivative there is no NaN either.
  Tape tape;
  const Tensor x = tape.watch(zeros({3}, f64));
  const Tensor g = tape.gradient(norm(x), x, {.differentiable = true});
  BOOST_TEST(all_equal(tape.gradient(sum(g), x) + 0.0, zeros({3}, f64)));
}

BOOST_AUTO_TEST_CASE(norms_at_the_ends_of_the_range) {
  BOOST_TEST(norm(tensor({1.0, 2e22})).item() == static_cast<double>(2e22F));
  BOOST_TEST(norm(tensor({3e-30, 4e-30})).item() == static_cast<double>(5e-30F),
             boost::test_tools::tolerance(1e-7));
  const double root = std::sqrt(2.0);
  for (const double size : {1e200, 1e-200, 1e308, 1e-300, 5e-324, 1.0}) {
    const Tensor x = tensor({{size, size, 0.0}, {0.0, -size, 0.0}}, f64);
    BOOST_TEST_CONTEXT(size) {
      if (size != 1e308 && size != 5e-324) {
        BOOST_TEST(std::abs(norm(x, -1).span<double>()[0] / (root * size) - 1) < 1e-15);
        BOOST_TEST(all_close(gradient_of([](auto& v) { return norm(v, -1); }, x),
                             tensor({{1 / root, 1 / root, 0.0}, {0.0, -1.0, 0.0}}, f64),
                             {.relative = 1e-15}));
      }
      BOOST_TEST(norm(x, -1).span<double>()[1] == size);
      BOOST_TEST(norm(transpose(x, 0, 1), 0).span<double>()[1] == size);
    }
  }
  BOOST_TEST(
      norm(tensor({1e308, 1e308}, f64)).item() == static_cast<double>(std::sqrt(2.0L) * 1e308L),
      boost::test_tools::tolerance(1e-15));
  BOOST_TEST(norm(tensor({1.0, -inf}, f64)).item() == inf);
  BOOST_TEST(std::isnan(norm(tensor({nan, -inf}, f64)).item()));
  BOOST_TEST(norm(zeros({0})).item() == 0.0);
  BOOST_TEST(norm(zeros({2, 0}), -1, {.p = inf}).size() == 2);
}

// Any order: only products.
BOOST_AUTO_TEST_CASE(products_with_zeros) {
  check_gradient([](auto& x) { return prod(x, -1); },
                 tensor({{2.0, 0.0, 5.0}, {0.0, 0.0, 5.0}, {2.0, 3.0, 5.0}}, f64),
                 tensor({{0.0, 10.0, 0.0}, {0.0, 0.0, 0.0}, {15.0, 10.0, 6.0}}, f64));
  // d²/dx0dx1 of x0·x1·x2 at [0, 0, 5] is 5.
  Tape tape;
  const Tensor x = tape.watch(tensor({0.0, 0.0, 5.0}, f64));
  const Tensor g = tape.gradient(prod(x), x, {.differentiable = true});
  const Tensor second = tape.gradient(select(g, 0, 0), x, {.differentiable = true});
  BOOST_TEST(all_equal(detach(second), tensor({0.0, 5.0, 0.0}, f64)));
  BOOST_TEST(all_equal(tape.gradient(select(second, 0, 1), x), tensor({0.0, 0.0, 1.0}, f64)));
  BOOST_TEST(prod(zeros({0}, f64)).item() == 1.0);
  // f32 is multiplied in double: no overflow on the way.
  BOOST_TEST(prod(tensor({1e30, 1e30, 1e-30, 1e-30})).item() == 1.0,
             boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(logarithms_of_sums) {
  const Tensor x = tensor({{-inf, -inf}, {inf, 0.0}, {-inf, 2.0}, {1000.0, 1000.0}}, f64);
  const auto y = values(logsumexp(x, -1));
  BOOST_TEST(y[0] == -inf);
  BOOST_TEST(y[1] == inf);
  BOOST_TEST(y[2] == 2.0);
  BOOST_TEST(y[3] == 1000 + std::log(2.0), boost::test_tools::tolerance(1e-15));
  check_gradient([](auto& v) { return logsumexp(v, 1); }, tensor({{-inf, -inf}, {-inf, 2.0}}, f64),
                 tensor({{0.0, 0.0}, {0.0, 1.0}}, f64));
  BOOST_TEST(logsumexp(zeros({0}, f64)).item() == -inf);
  BOOST_TEST(logsumexp(full({}, 3, f64)).item() == 3.0);
  BOOST_TEST(logsumexp(tensor({1e30, -1e30, 1e30})).item() == static_cast<double>(1e30F));
}

// A sum in f32 would stop at 2^24, one in blocks of f32 drift: the mean of many equal numbers.
BOOST_AUTO_TEST_CASE(means_of_many) {
  const Index n = 20'000'000;
  const Tensor x = full({n}, 0.1);
  const auto expected = static_cast<double>(0.1F);
  BOOST_TEST(std::abs(mean(x).to(f64).item() / expected - 1) < 1e-10);
  BOOST_TEST(std::abs(sum(x).item() / (expected * static_cast<double>(n)) - 1) < 6e-8);
  BOOST_TEST(std::abs(norm(x).item() / (expected * std::sqrt(static_cast<double>(n))) - 1) < 6e-8);
  BOOST_TEST(mean(reshape(x, {n / 4, 4}), 0).span<float>()[3] == 0.1F);
  // Unequal ones, in f64, against long double.
  std::vector<double> numbers;
  long double total = 0, squares = 0;
  for (Index k = 0; k < 3'000'000; ++k) {
    numbers.push_back(static_cast<double>(static_cast<float>(1.0 / static_cast<double>(k + 1))));
    total += numbers.back();
    squares += static_cast<long double>(numbers.back()) * numbers.back();
  }
  const Tensor y = from(std::span<const double>(numbers), {std::ssize(numbers)});
  BOOST_TEST(std::abs(sum(y).item() / static_cast<double>(total) - 1) < 1e-13);
  BOOST_TEST(std::abs(norm(y).item() / static_cast<double>(std::sqrt(squares)) - 1) < 1e-13);
}

// What a loss averages: every element is one token's. The targets are the only large tensor.
BOOST_AUTO_TEST_CASE(mean_of_the_losses_of_many_tokens) {
  const Index tokens = 200'000;
  const Tensor logits = expand(tensor({{0.3, -0.9}}), {tokens, 2});
  const Tensor targets = full({tokens}, 1, i64);
  const double one = cross_entropy(tensor({{0.3, -0.9}}).to(f64), full({1}, 1, i64)).item();
  BOOST_TEST(std::abs(cross_entropy(logits.to(f64), targets).item() / one - 1) < 1e-10);
  BOOST_TEST(std::abs(cross_entropy(logits, targets).item() / one - 1) < 2e-7);
}

// On demand, for 400 MB: --run_test=reductions/means_of_a_hundred_million
BOOST_AUTO_TEST_CASE(means_of_a_hundred_million, *boost::unit_test::disabled()) {
  const Index n = 100'000'000;
  const Tensor x = full({n}, 0.1);
  const auto expected = static_cast<double>(0.1F);
  // Beside its mean, which is one of f32 itself: what is added up, in f64.
  BOOST_TEST(std::abs(mean(x).to(f64).item() / expected - 1) < 1e-10);
  BOOST_TEST(std::abs(norm(x).item() / (expected * 1e4) - 1) < 6e-8);
}

BOOST_AUTO_TEST_CASE(shapes) {
  const Tensor x = zeros({2, 3, 4}, f64) + 1.0;
  for (const auto& [name, f] : reducers()) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(f(x, 1).shape() == (Shape{2, 4}));
      BOOST_TEST(f(expand(zeros({1, 3, 1}), {2, 3, 4}), -1).shape() == (Shape{2, 3}));
      BOOST_TEST(f(zeros({0, 3}), 1).shape() == Shape{0});
    }
  }
  BOOST_TEST(norm(x, {0, 2}, {.keepdim = true}).shape() == (Shape{1, 3, 1}));
  BOOST_TEST(norm(x, {0, 2}).shape() == Shape{3});
  BOOST_TEST(var(x, {0, 2}, {.keepdim = true}).shape() == (Shape{1, 3, 1}));
  BOOST_TEST(stddev(x, {-1}).shape() == (Shape{2, 3}));
  BOOST_TEST(mean(x, Axes::all(), {.keepdim = true}).shape() == (Shape{1, 1, 1}));
  std::vector<Index> axes;  // as many as there are at run time; of none nothing is taken away
  BOOST_TEST(all_equal(sum(x, axes), x));
  for (const Index axis : {0, -1}) axes.push_back(axis);
  BOOST_TEST(all_equal(sum(x, axes), sum(x, {0, -1})));
  BOOST_TEST(prod(x, {0, 1, 2}, {.keepdim = true}).shape() == (Shape{1, 1, 1}));
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  const Tensor x = zeros({2, 3});
  check_text(
      [&] {
        return min(zeros({0, 3}), 0);
      },
      "[min] x f32 [0, 3] over no elements; needed at least one element");
  check_text([&] { return argmin(zeros({0})); },
             "[argmin] x f32 [0] over no elements; needed at least one element");
  check_text([&] { return norm(x, -1, {.p = 3}); },
             "[norm] p = 3; needed 1, 2 or infinity; hint: norm(x, -1, {.p = 1})");
  check_text(
      [&] { return var(x, -1, {.correction = -1}); },
      "[var] correction -1; needed correction >= 0; hint: {.correction = 1} for the unbiased "
      "estimate");
  check_text([&] { return prod(x, {0, 0}); }, "[prod] axis 0 twice; needed each axis once");
  for (const auto& call : std::vector<std::function<void()>>{
           [] {
             static_cast<void>(stddev(tensor({1, 2})));
           },
           [] {
             static_cast<void>(norm(tensor({1, 2})));
           },
           [] {
             static_cast<void>(prod(tensor({1, 2})));
           },
           [] {
             static_cast<void>(logsumexp(tensor({1, 2})));
           },
           [] { static_cast<void>(logsumexp(Tensor{})); },
           [] { static_cast<void>(argmax(Tensor{})); }, [&] { static_cast<void>(var(x, 2)); }})
    BOOST_CHECK_THROW(call(), Error);
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_threads) {
  const auto compute = [] {
    std::vector<Tensor> all;
    for (const DType dtype : {f32, f64})
      for (const Shape& shape :
           {Shape{300'007}, Shape{401, 703}, Shape{3, 70'001}, Shape{70'001, 3}})
        for (const auto& [name, f] : reducers())
          for (const Index axis : {0, -1}) {
            Rng rng(6);
            Tape tape;
            const Tensor x = tape.watch(uniform(shape, 0.5, 1.5, rng, dtype));
            const Tensor y = f(x, axis);
            all.push_back(detach(y));
            all.push_back(tape.gradient(sum(y), x));
          }
    return all;
  };
  set_threads(1);
  const auto alone = compute();
  for (const Index count : {2, 4}) {
    set_threads(count);
    const auto together = compute();
    for (std::size_t i = 0; i < alone.size(); ++i)
      BOOST_REQUIRE(all_equal(together[i], alone[i]).ok());
  }
  set_threads(0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
