#include <string>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

// What the engine relies on: strides, tails, broadcasting, sums, unwanted results, captured
// numbers. The function under test is exact in both dtypes, so results are compared with ==.
namespace {

using namespace simd_test;
using namespace unroll;

constexpr auto exact = [](auto a, auto b) { return std::tuple{a * b + 1, a - 2 * b}; };

template <class T>
void fill(Block<T>& block, int seed) {
  for (std::size_t i = 0; i < block.size; ++i)
    block[i] = static_cast<T>((static_cast<int>(i) * 37 + seed) % 101 - 50);
}

struct Layout {
  Index row_stride, column_stride;
};

// The kernel on rows x columns against a plain loop, and nothing else may have changed.
template <class T>
void check_layout(Isa isa, Index rows, Index columns, Layout a, Layout b, Index out_stride,
                  bool accumulate, bool whole) {
  Block<T> x(4096), y(4096), p(4096), q(4096);
  fill(x, 1), fill(y, 2), fill(p, 3), fill(q, 4);
  Block<T> p_expected = p, q_expected = q;
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) {
      const auto [u, v] =
          exact(x[static_cast<std::size_t>(r * a.row_stride + c * a.column_stride)],
                y[static_cast<std::size_t>(r * b.row_stride + c * b.column_stride)]);
      const auto at = static_cast<std::size_t>(r * out_stride + c);
      p_expected[at] = static_cast<T>(u + (accumulate ? p[at] : T(0)));
      q_expected[at] = v;
    }
  const PointwiseInput in[] = {{x.data(), a.row_stride, a.column_stride},
                               {y.data(), b.row_stride, b.column_stride}};
  const PointwiseOutput out[] = {{p.data(), out_stride, accumulate, whole},
                                 {q.data(), out_stride, false, whole}};
  simd::pointwise_table<decltype(exact), 2, 0>().kernel[element<T>][static_cast<int>(isa)](
      &exact, rows, columns, in, out);
  const Index last = (rows - 1) * out_stride + columns;
  const std::string what = std::string(name_of(isa)) + " " + std::to_string(rows) + " x " +
                           std::to_string(columns) + (accumulate ? " adds" : "");
  const std::size_t checked = whole ? static_cast<std::size_t>(last) : p.size;
  for (std::size_t i = 0; i < checked; ++i)
    if (p[i] != p_expected[i] || q[i] != q_expected[i])
      BOOST_ERROR(what << " at " << i << ": " << p[i] << ", " << q[i] << ", not " << p_expected[i]
                       << ", " << q_expected[i]);
  if (whole)  // at most 64 bytes from the first element of the last packet
    for (std::size_t i = static_cast<std::size_t>(last) + 64 / sizeof(T); i < p.size; ++i)
      BOOST_REQUIRE(p[i] == p_expected[i]);
}

template <class T>
void check_layouts() {
  for (const Isa isa : isas_here()) {
    for (Index columns = 1; columns <= 40; ++columns)
      for (const bool accumulate : {false, true}) {
        check_layout<T>(isa, 1, columns, {columns, 1}, {columns, 1}, columns, accumulate, false);
        check_layout<T>(isa, 1, columns, {columns, 1}, {columns, 1}, columns, accumulate, true);
        check_layout<T>(isa, 3, columns, {columns, 1}, {columns, 1}, columns, accumulate, false);
        check_layout<T>(isa, 3, columns, {97, 1}, {columns, 1}, 83, accumulate, false);
        check_layout<T>(isa, 3, columns, {0, 1}, {columns, 1}, columns, accumulate, false);
        check_layout<T>(isa, 3, columns, {1, 0}, {columns, 1}, columns, accumulate, false);
        check_layout<T>(isa, 3, columns, {0, 0}, {50, 1}, 41, accumulate, false);
        check_layout<T>(isa, 3, columns, {2, 0}, {3, 0}, columns, accumulate, false);
      }
    for (const Index columns : {255, 256, 257, 600, 1000}) {
      check_layout<T>(isa, 3, columns, {1024, 1}, {1, 0}, 1024, true, false);
      check_layout<T>(isa, 3, columns, {0, 1}, {7, 0}, columns, false, false);
      check_layout<T>(isa, 3, columns, {columns, 1}, {columns, 1}, columns, false, true);
    }
    check_layout<T>(isa, 40, 1, {1, 1}, {1, 1}, 1, false, false);
    check_layout<T>(isa, 40, 1, {3, 1}, {0, 0}, 2, true, false);
  }
}

template <class F>
std::vector<float> once(const F& f, Isa isa, const std::vector<std::vector<float>>& x) {
  std::vector<float> first;
  for (const auto& y : run<float>(simd::pointwise_table<F, simd::arity_of<F>(), 0>(), &f, isa, x))
    first.push_back(y[0]);
  return first;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_kernel)

BOOST_AUTO_TEST_CASE(layouts_single) { check_layouts<float>(); }
BOOST_AUTO_TEST_CASE(layouts_double) { check_layouts<double>(); }

BOOST_AUTO_TEST_CASE(nothing_to_do) {
  Block<float> x(4, 1), y(4, 5);
  const PointwiseInput in[] = {{x.data(), 4, 1}, {x.data(), 4, 1}};
  const PointwiseOutput out[] = {{y.data(), 4}, {}};
  for (const Isa isa : isas_here())
    for (const auto& [rows, columns] : {std::pair<Index, Index>{0, 4}, {3, 0}, {0, 0}}) {
      simd::pointwise_table<decltype(exact), 2, 0>().kernel[0][static_cast<int>(isa)](
          &exact, rows, columns, in, out);
      BOOST_TEST(y[0] == 5);
    }
}

BOOST_AUTO_TEST_CASE(unwanted_results) {
  for (const Isa isa : isas_here())
    for (const Index n : {1, 7, 16, 300}) {
      Block<float> x(static_cast<std::size_t>(n), 3), y(static_cast<std::size_t>(n), 9);
      const PointwiseInput in[] = {{x.data(), n, 1}, {x.data(), n, 1}};
      const PointwiseOutput out[] = {{}, {y.data(), n}};
      simd::pointwise_table<decltype(exact), 2, 0>().kernel[0][static_cast<int>(isa)](&exact, 1, n,
                                                                                      in, out);
      for (std::size_t i = 0; i < y.size; ++i) BOOST_TEST(y[i] == -3);
    }
}

// The gradient of f(x, x) goes to one buffer: the second result adds to what the first stored.
BOOST_AUTO_TEST_CASE(same_input_twice) {
  const auto f = [](auto a, auto b) { return a * b * b; };
  const PointwiseTable& gradient = *simd::pointwise_table<decltype(f), 2, 1>().gradient;
  for (const Isa isa : isas_here())
    for (const Index columns : {1, 3, 8, 16, 17, 300}) {
      const Index rows = 3, stride = columns + 5;
      Block<float> x(static_cast<std::size_t>(rows * stride), 2), g(x.size, 1), d(x.size, 77);
      const PointwiseInput in[] = {
          {x.data(), stride, 1}, {x.data(), stride, 1}, {g.data(), stride, 1}};
      const PointwiseOutput out[] = {{d.data(), stride, false}, {d.data(), stride, true}};
      gradient.kernel[0][static_cast<int>(isa)](&f, rows, columns, in, out);
      for (Index i = 0; i < rows * stride; ++i)
        BOOST_TEST(d[static_cast<std::size_t>(i)] == (i % stride < columns ? 12 : 77));
    }
}

BOOST_AUTO_TEST_CASE(in_place) {
  const auto f = [](auto a) { return a * a; };
  for (const Isa isa : isas_here())
    for (const Index n : {1, 5, 16, 1000}) {
      Block<double> x(static_cast<std::size_t>(n), 3);
      const PointwiseInput in[] = {{x.data(), n, 1}};
      const PointwiseOutput out[] = {{x.data(), n}};
      simd::pointwise_table<decltype(f), 1, 0>().kernel[1][static_cast<int>(isa)](&f, 1, n, in,
                                                                                  out);
      for (std::size_t i = 0; i < x.size; ++i) BOOST_TEST(x[i] == 9);
    }
}

BOOST_AUTO_TEST_CASE(eight_by_eight) {
  const auto f = [](auto a, auto b, auto c, auto d, auto e, auto g, auto h, auto i) {
    return std::tuple{a * b, b * c, c * d, d * e, e * g, g * h, h * i, i * a};
  };
  using F = decltype(f);
  static_assert(simd::arity_of<F>() == 8);
  const PointwiseTable& table = simd::pointwise_table<F>();
  BOOST_TEST(table.outputs == 8);
  BOOST_TEST(table.gradient->inputs == 16);
  BOOST_TEST(table.gradient->gradient->inputs == simd::max_table_inputs);
  BOOST_TEST(table.gradient->gradient->outputs == simd::max_table_outputs);
  BOOST_TEST(table.gradient->gradient->gradient == nullptr);
  std::vector<std::vector<double>> x(24);
  for (std::size_t k = 0; k < 24; ++k) x[k].assign(5, static_cast<double>(k + 1));
  for (const Isa isa : isas_here()) {
    const auto y = run<double>(table, &f, isa, {x.begin(), x.begin() + 8});
    const auto d = run<double>(*table.gradient, &f, isa, {x.begin(), x.begin() + 16});
    const auto s = run<double>(*table.gradient->gradient, &f, isa, x);
    for (std::size_t k = 0; k < 8; ++k) {
      const std::size_t next = (k + 1) % 8, before = (k + 7) % 8;
      const auto value = [&](std::size_t j) { return x[j][0]; };
      BOOST_TEST(y[k][4] == value(k) * value(next));
      // y_k = x_k x_next, so dx_k = g_k x_next + g_before x_before
      BOOST_TEST(d[k][4] == value(8 + k) * value(next) + value(8 + before) * value(before));
      BOOST_TEST(s[k][4] ==
                 value(16 + next) * value(8 + k) + value(16 + before) * value(8 + before));
      BOOST_TEST(s[8 + k][4] == value(16 + k) * value(next) + value(16 + next) * value(k));
    }
  }
}

BOOST_AUTO_TEST_CASE(captured_numbers) {
  const float slope = 0.5F;
  const double shift = 3;
  const int power = 2;
  const auto f = [slope, shift, power](auto x) { return x * slope + shift * power; };
  const PointwiseTable& table = simd::pointwise_table<decltype(f), 1, 1>();
  BOOST_TEST(table.function_bytes == sizeof f);
  BOOST_TEST(table.gradient->function_bytes == sizeof f);
  for (const Isa isa : isas_here()) {
    // A copy of the bytes serves as well: that is how the engine keeps them.
    alignas(16) std::byte copy[sizeof f];
    __builtin_memcpy(copy, &f, sizeof f);
    BOOST_TEST(run<float>(table, copy, isa, {{4}})[0][0] == 8);
    BOOST_TEST(run<double>(*table.gradient, copy, isa, {{4}, {10}})[0][0] == 5);
  }
}

BOOST_AUTO_TEST_CASE(captured_condition) {
  for (const bool on : {false, true}) {
    const auto f = [on](auto x) { return where(on, x * x, 3) * x; };
    const PointwiseTable& table = simd::pointwise_table<decltype(f), 1, 1>();
    for (const Isa isa : isas_here()) {
      BOOST_TEST(run<float>(table, &f, isa, {{5}})[0][0] == (on ? 125 : 15));
      BOOST_TEST(run<float>(*table.gradient, &f, isa, {{5}, {1}})[0][0] == (on ? 75 : 3));
    }
  }
}

// 1.0 - y stays f32: were it computed in double, this sum would be 2^-25 and not 0.
BOOST_AUTO_TEST_CASE(numbers_take_the_dtype) {
  const auto f = [](auto y) { return (1.0 + y) - 1.0; };
  for (const Isa isa : isas_here()) BOOST_TEST(once(f, isa, {{0x1p-25F}})[0] == 0);
  using P = simd::baseline::Packet<float>;
  static_assert(std::is_same_v<decltype(1.0 - P(1)), P>);
  static_assert(std::is_same_v<decltype(P(1) * 3), P>);
}

BOOST_AUTO_TEST_CASE(constant_results) {
  const auto f = [](auto) { return 2.5; };
  const auto g = [](auto x) { return std::tuple{1, x, true ? 3.0F : 0.0F}; };
  for (const Isa isa : isas_here()) {
    BOOST_TEST(once(f, isa, {{1}})[0] == 2.5);
    BOOST_TEST(once(g, isa, {{7}}) == (std::vector<float>{1, 7, 3}),
               boost::test_tools::per_element());
    const auto d =
        run<float>(*simd::pointwise_table<decltype(f), 1, 1>().gradient, &f, isa, {{1}, {9}});
    BOOST_TEST(d[0][0] == 0);
  }
}

BOOST_AUTO_TEST_CASE(masks) {
  const auto f = [](auto a, auto b) {
    const auto one = [](auto m) { return where(m, 1, 0); };
    return std::tuple{one(a < b),
                      one(a <= b),
                      one(a > b),
                      one(a >= b),
                      one(a == b),
                      one(a != b),
                      one((a < b) | !(b < 2)),
                      one((a < 2) & (1 < b))};
  };
  const float q = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::pair<std::pair<float, float>, std::vector<float>>> cases = {
      {{1, 2}, {1, 1, 0, 0, 0, 1, 1, 1}},
      {{2, 2}, {0, 1, 0, 1, 1, 0, 1, 0}},
      {{3, 1}, {0, 0, 1, 1, 0, 1, 0, 0}},
      {{q, 1}, {0, 0, 0, 0, 0, 1, 0, 0}}};
  for (const Isa isa : isas_here())
    for (const auto& [x, expected] : cases)
      BOOST_TEST(once(f, isa, {{x.first}, {x.second}}) == expected,
                 boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(arity) {
  static_assert(simd::arity_of<decltype([](auto) { return 1; })>() == 1);
  static_assert(simd::arity_of<decltype([](auto a, auto b, auto) { return a + b; })>() == 3);
  static_assert(simd::arity_of<decltype([](int*) { return 1; })>() == 0);
  static_assert(simd::outputs_of<decltype([](auto a) { return std::tuple{a, 1.0}; }), 1>() == 2);
  const auto any = [](auto... x) { return (x + ...); };
  const PointwiseTable& table = simd::pointwise_table<decltype(any), 3, 1>();
  BOOST_TEST(table.inputs == 3);
  BOOST_TEST(table.gradient->gradient == nullptr);
  BOOST_TEST(run<float>(table, &any, Isa::baseline, {{1}, {2}, {4}})[0][0] == 7);
}

BOOST_AUTO_TEST_SUITE_END()
