// NaN in an element that an operation reads reaches its value, wherever the element stands in a
// packet of any width: lengths 1 … 40, every position, f32 and f64. Whether an element is read is
// found by moving it.
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/operation_variants.h"

namespace unroll::test {
namespace {

constexpr Index longest = 40;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// An operand whose elements can be moved and put back.
class Moving {
 public:
  Moving(const Tensor& x, DType dtype)
      : tensor_(contiguous(is_floating(x.dtype()) ? x.to(dtype) : x) + 0.0),
        rest_(values(tensor_)) {}
  const Tensor& tensor() const { return tensor_; }
  Index size() const { return tensor_.size(); }
  void put(Index at, double value) const {
    visit_floating(tensor_.dtype(),
                   [&]<class T>(T) { detail::data<T>(tensor_)[at] = static_cast<T>(value); });
  }
  void move_all(double by) const {
    for (Index i = 0; i < size(); ++i) put(i, rest_[static_cast<std::size_t>(i)] + by);
  }
  void move(Index at, double by) const { put(at, rest_[static_cast<std::size_t>(at)] + by); }
  void put_back(Index at) const { move(at, 0); }

 private:
  Tensor tensor_;
  std::vector<double> rest_;
};

bool same(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// A packet with an element out of the ordinary may be computed in another way, and round otherwise.
bool near(double a, double b, DType dtype) {
  return same(a, b) || std::abs(a - b) <= (dtype == f64 ? 1e-15 : 5e-7) * std::abs(b);
}

constexpr double moves[] = {0.37, -0.37, 1e3, -1e3};

// One case in one dtype: its operands, of which input `which` moves.
struct Trial {
  Trial(const CheckCase& of, std::size_t number, DType in, Rng& rng)
      : c(of), which(number), inputs(draw_all(of, rng)), moving(inputs[number], in) {
    for (Tensor& x : inputs)
      if (is_floating(x.dtype())) x = x.to(in);
    inputs[which] = moving.tensor();
  }
  std::vector<double> run() const { return values(c.call(inputs)); }

  const CheckCase& c;
  std::size_t which;
  std::vector<Tensor> inputs;
  Moving moving;
};

// Output k depends on the elements k of the inputs alone: all of them move at once.
void check_elementwise(const Trial& t) {
  const auto rest = t.run();
  std::vector<bool> read(rest.size());
  for (const double by : moves) {
    t.moving.move_all(by);
    const auto moved = t.run();
    for (std::size_t k = 0; k < rest.size(); ++k) read[k] = read[k] || !same(moved[k], rest[k]);
  }
  t.moving.move_all(0);
  for (Index at = 0; at < t.moving.size(); ++at) {
    t.moving.put(at, nan);
    const auto y = t.run();
    t.moving.put_back(at);
    for (std::size_t k = 0; k < y.size(); ++k) {
      const bool here = k == static_cast<std::size_t>(at);
      if (here ? !read[k] || std::isnan(y[k]) : near(y[k], rest[k], t.moving.tensor().dtype()))
        continue;
      BOOST_ERROR("input " << t.which << ", " << at << " of " << t.moving.size() << ": NaN "
                           << (here ? "is lost" : "leaks into another element"));
      return;
    }
  }
}

bool is_read(const Trial& t, Index at, const std::vector<double>& rest) {
  bool read = false;
  for (const double by : moves) {
    t.moving.move(at, by);
    const auto moved = t.run();
    for (std::size_t k = 0; k < rest.size(); ++k) read = read || !same(moved[k], rest[k]);
  }
  t.moving.put_back(at);
  return read;
}

struct Line {
  Index from = 0, to = 0, step = 1;
};

// Some output becomes NaN with an element that is read. How many of the positions were.
Index check_positions(const Trial& t, const Line& line) {
  const auto rest = t.run();
  Index count = 0;
  for (Index at = line.from; at < line.to; at += line.step) {
    t.moving.put(at, nan);
    const auto y = t.run();
    t.moving.put_back(at);
    const bool reached =
        std::any_of(y.begin(), y.end(), [](double value) { return std::isnan(value); });
    count += reached ? 1 : 0;
    if (!reached && is_read(t, at, rest)) {
      BOOST_ERROR("input " << t.which << ", element " << at << " of " << t.moving.tensor().shape()
                           << ": NaN is lost");
      return count;
    }
  }
  return count;
}

Index check_everywhere(const Trial& t) { return check_positions(t, {.to = t.moving.size()}); }

// And with every extent replaced by every length: all positions of one line, another each time.
Index check_structured(const CheckCase& c, std::size_t which, DType dtype, Rng& rng) {
  Index reached = check_everywhere({c, which, dtype, rng});
  for (const Index extent : extents_of(c)) {
    for (Index length = 1; length <= longest; ++length) {
      const CheckCase made = *resized(c, extent, length);
      try {
        const Trial t(made, which, dtype, rng);
        const Shape& shape = t.moving.tensor().shape();
        const Index columns = shape.rank() == 0 ? 1 : shape[-1];
        if (t.moving.size() == 0) continue;
        const Index first = rng.below(t.moving.size() / columns) * columns;
        if (columns == length)
          reached += check_positions(t, {.from = first, .to = first + columns});
        else
          reached += check_positions(
              t, {.from = rng.below(columns), .to = t.moving.size(), .step = columns});
      } catch (const Error&) {
        continue;  // the case is about this extent
      }
    }
  }
  return reached;
}

void check_nan(const Operation& operation) {
  BOOST_REQUIRE(operation.check != nullptr);
  const Check check = operation.check();
  Rng rng(std::hash<std::string_view>{}(operation.name));
  Index reached = 0;
  for (const CheckCase& c : check.cases) {
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      if (c.inputs[i].ids > 0) continue;
      for (const DType dtype : {f64, f32}) {
        BOOST_TEST_CONTEXT(c.name << " in " << name_of(dtype)) {
          if (!check.elementwise) {
            reached += check.trusts_caller ? check_everywhere({c, i, dtype, rng})
                                           : check_structured(c, i, dtype, rng);
            continue;
          }
          for (Index length = 1; length <= longest; ++length) {
            CheckCase sized = c;
            for (CheckInput& input : sized.inputs) input.shape = {length};
            check_elementwise({sized, i, dtype, rng});
            ++reached;
          }
        }
      }
    }
  }
  BOOST_TEST(reached > 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(operation_nan)

const auto operation_cases = for_every_operation(check_nan, __FILE__);

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
