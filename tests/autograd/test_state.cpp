// Functions over any struct that is made of tensors.
#include <array>
#include <optional>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"

namespace unroll::test {
namespace {

struct Cell {
  Tensor h, c;
};
enum class Mode { first, second };
struct Everything {
  Tensor alone;
  std::vector<Cell> layers;
  std::array<Tensor, 2> pair;
  std::tuple<Tensor, Index, Cell> mixed;
  std::optional<Cell> maybe;
  std::vector<std::vector<Tensor>> nested;
  Index step;
  Mode mode;
};
struct One {
  Tensor only;
};
struct Two {
  std::optional<Tensor> maybe;
  double rate;
};
struct Deep {
  One one;
  Two two;
  std::pair<Tensor, bool> flagged;
};

bool has_history(const Tensor& x) { return x.header()->tape != 0; }

}  // namespace

BOOST_AUTO_TEST_SUITE(state)

BOOST_AUTO_TEST_CASE(detach_of_a_struct_with_everything_in_it) {
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  const auto made = [&](double k) { return x * k; };
  const Everything before{.alone = made(1),
                          .layers = {{.h = made(2), .c = made(3)}, {.h = made(4), .c = Tensor{}}},
                          .pair = {made(5), made(6)},
                          .mixed = {made(7), 42, Cell{.h = made(8), .c = made(9)}},
                          .maybe = Cell{.h = made(10), .c = made(11)},
                          .nested = {{made(12)}, {}, {made(13), made(14)}},
                          .step = 7,
                          .mode = Mode::second};
  int count = 0;
  for_each_tensor(before, [&](const Tensor& t) { count += t.defined() && has_history(t) ? 1 : 0; });
  BOOST_TEST(count == 14);

  const Everything after = detach(before);
  double total = 0;
  for_each_tensor(after, [&](const Tensor& t) {
    if (!t.defined()) return;
    BOOST_TEST(!has_history(t));
    total += t.span<float>()[0];
  });
  BOOST_TEST(total == 14 * 15 / 2.0);
  BOOST_TEST(!after.layers[1].c.defined());
  BOOST_TEST(std::get<1>(after.mixed) == 42);
  BOOST_TEST(after.step == 7);
  BOOST_TEST((after.mode == Mode::second));
  BOOST_TEST(after.nested[2].size() == 2U);
  BOOST_TEST(after.maybe.has_value());
  // The struct that was given is as it was.
  BOOST_TEST(has_history(before.alone));
}

BOOST_AUTO_TEST_CASE(detach_of_small_and_nested_structs) {
  Tape tape;
  const Tensor x = tape.watch(ones({2}));
  BOOST_TEST(!has_history(detach(One{.only = x * 2.0}).only));
  Deep given{
      .one = {.only = x * 2.0}, .two = {.maybe = {}, .rate = 0.5}, .flagged = {x * 3.0, true}};
  const Deep deep = detach(given);
  BOOST_TEST(!has_history(deep.one.only));
  BOOST_TEST(!deep.two.maybe.has_value());
  BOOST_TEST(deep.two.rate == 0.5);
  BOOST_TEST(deep.flagged.second);
  given.one = {};
  given.two.maybe = x * 2.0;
  const Deep full = detach(given);
  BOOST_TEST(!has_history(*full.two.maybe));
  BOOST_TEST(!full.one.only.defined());
}

BOOST_AUTO_TEST_CASE(detach_of_containers_themselves) {
  Tape tape;
  const Tensor x = tape.watch(ones({2}));
  BOOST_TEST(!has_history(detach(std::vector<Tensor>{x * 2.0})[0]));
  BOOST_TEST(!has_history(std::get<0>(detach(std::tuple{x * 2.0, Index{3}}))));
  BOOST_TEST(detach(std::vector<Cell>{}).empty());
  const Tensor y = x * 2.0;
  BOOST_TEST(!has_history(detach(y)));
  BOOST_TEST(detach(y).span<float>().data() == y.span<float>().data());
  BOOST_CHECK_THROW(static_cast<void>(detach(Tensor{})), Error);
}

BOOST_AUTO_TEST_CASE(a_detached_state_is_carried_into_the_next_window) {
  const Tensor W = make_parameter(uniform({3, 3}, -1, 1), "W");
  Cell state{.h = zeros({2, 3}), .c = zeros({2, 3})};
  for (int window = 0; window < 3; ++window) {
    Tape tape;
    Cell next = state;
    for (int t = 0; t < 4; ++t) next = {.h = tanh(matmul(next.h, W) + 1.0), .c = next.c + next.h};
    static_cast<void>(tape.backward(sum(next.c)));
    state = detach(next);
  }
  BOOST_TEST(state.c.defined());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
