// Tensors as text.
#include <unroll/autograd/autograd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>

#include <boost/test/unit_test.hpp>

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(printing)

BOOST_AUTO_TEST_CASE(layout) {
  BOOST_TEST(to_string(tensor({3.0, 12.0, 27.0})) == "f32 [3]  3 12 27");
  BOOST_TEST(to_string(tensor({{1, 2}, {3, 4}})) == "i64 [2, 2]\n [[1 2]\n  [3 4]]");
  BOOST_TEST(to_string(full({}, 0.5, f64)) == "f64 []  0.5");
  BOOST_TEST(to_string(zeros({0, 3})) == "f32 [0, 3]");
  const std::string elided = to_string(arange(5000));
  BOOST_TEST(elided == "i64 [5000]  0 1 2 … 4997 4998 4999");
  BOOST_TEST(to_string(transpose(tensor({{1, 2}, {3, 4}}), 0, 1)) ==
             "i64 [2, 2]\n [[1 3]\n  [2 4]]");
}

template <class T>
auto bits_of(T value) {
  return std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
}

template <class T>
void reads_back(T value) {
  const Tensor x = from(std::span<const T>(&value, 1), {});
  const std::string text = to_string(x);
  const char* const number = text.c_str() + text.find("  ") + 2;
  T back;
  if constexpr (std::is_same_v<T, float>)
    back = std::strtof(number, nullptr);
  else if constexpr (std::is_same_v<T, double>)
    back = std::strtod(number, nullptr);
  else
    back = std::strtoll(number, nullptr, 10);
  if (value != value)
    BOOST_TEST(back != back);
  else
    BOOST_REQUIRE_MESSAGE(bits_of(back) == bits_of(value), text);
}

BOOST_AUTO_TEST_CASE(every_number_reads_back_exactly) {
  Rng rng(4);
  for (int k = 0; k < 5000; ++k) {
    const std::uint64_t bits = rng.next();
    reads_back(std::bit_cast<double>(bits));
    reads_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    reads_back(static_cast<Index>(bits));
  }
  for (const double v :
       {0.0, -0.0, 0.1, 1e300, -5e-324, std::numeric_limits<double>::infinity(), std::nan("")}) {
    reads_back(v);
    reads_back(static_cast<float>(v));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
