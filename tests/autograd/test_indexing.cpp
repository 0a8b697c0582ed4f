// Elements chosen by ids against loops written out, and what they do on many threads.
#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

Tensor numbers(const Shape& shape, std::uint64_t stream = 1) {
  Rng rng(stream);
  return uniform(shape, -1, 1, rng, f64);
}
Tensor ids_below(Index count, const Shape& shape, std::uint64_t stream = 1) {
  Rng rng(stream);
  Tensor ids = zeros(shape, i64);
  std::vector<Index> all;
  for (Index i = 0; i < ids.size(); ++i) all.push_back(rng.below(count));
  return from(std::span<const Index>(all), shape);
}
double inner(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }

// The bits on one thread and on many.
template <class F>
void check_threads(const F& f) {
  const Index before = threads();
  set_threads(1);
  const Tensor alone = f();
  set_threads(0);
  for (int again = 0; again < 3; ++again) BOOST_TEST(all_equal(f(), alone));
  set_threads(before == threads() ? 0 : before);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(indexing)

BOOST_AUTO_TEST_CASE(gathering_and_scattering_are_adjoint) {
  for (const Index axis : {0, 1, 2}) {
    const Shape shape{4, 5, 3};
    const Shape taken = Shape{3, 2, 2}.with(axis, 7);
    const Tensor ids = ids_below(shape[axis], taken);
    const Tensor x = numbers(shape), y = numbers(taken, 2);
    const Tensor scattered = scatter_add(zeros(shape, f64), axis, ids, y);
    BOOST_TEST(std::abs(inner(gather(x, axis, ids), y) - inner(x, scattered)) < 1e-14);

    const Tensor whole = ids_below(shape[axis], {2, 3}, 3);
    const Tensor chosen = index_select(x, axis, whole);
    const Tensor w = numbers(chosen.shape(), 4);
    BOOST_TEST(std::abs(inner(chosen, w) - inner(x, index_add(zeros(shape, f64), axis, whole, w))) <
               1e-14);
  }
}

BOOST_AUTO_TEST_CASE(layouts_of_operands_do_not_matter) {
  const Tensor x = numbers({4, 5}), ids = ids_below(5, {4, 3});
  const Tensor turned = contiguous(transpose(x, 0, 1)),
               turned_ids = contiguous(transpose(ids, 0, 1));
  BOOST_TEST(all_equal(gather(transpose(turned, 0, 1), 1, transpose(turned_ids, 0, 1)),
                       gather(x, 1, ids)));
  BOOST_TEST(all_equal(gather(expand(numbers({1, 5}), {4, 5}), 1, ids),
                       gather(contiguous(expand(numbers({1, 5}), {4, 5})), 1, ids)));
  const Tensor s = numbers({4, 3}, 2), turned_s = contiguous(transpose(s, 0, 1));
  BOOST_TEST(all_equal(scatter_add(transpose(turned, 0, 1), 1, transpose(turned_ids, 0, 1),
                                   transpose(turned_s, 0, 1)),
                       scatter_add(x, 1, ids, s)));
  const Tensor some = tensor({3, 0, 3});
  BOOST_TEST(all_equal(index_select(transpose(turned, 0, 1), 0, some), index_select(x, 0, some)));
}

// In f32 a sum in single precision would lose all of the small ones.
BOOST_AUTO_TEST_CASE(sums_are_taken_in_double) {
  constexpr Index n = 4096;
  const Tensor source = full({n}, 1e-8);
  BOOST_TEST(all_close(scatter_add(ones({1}), 0, zeros({n}, i64), source),
                       full({1}, 1.0 + n * 1e-8), {.relative = 1e-7}));
  BOOST_TEST(all_close(index_add(ones({1}), 0, zeros({n}, i64), source), full({1}, 1.0 + n * 1e-8),
                       {.relative = 1e-7}));
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads) {
  const Tensor x = numbers({40, 60, 30}).to(f32);
  for (const Index axis : {0, 1, 2}) {
    const Tensor ids = ids_below(x.size(axis), x.shape().with(axis, 200));
    const Tensor source = numbers(ids.shape(), 2).to(f32);
    check_threads([&] { return gather(x, axis, ids); });
    check_threads([&] { return scatter_add(x, axis, ids, source); });
    const Tensor some = ids_below(x.size(axis), {300}, 3);
    check_threads([&] { return index_select(x, axis, some); });
    const Tensor parts = numbers(x.shape().with(axis, 300), 4).to(f32);
    check_threads([&] { return index_add(x, axis, some, parts); });
  }
  std::vector<Index> lengths;
  for (Index b = 0; b < 60; ++b) lengths.push_back(b * 40 / 59);
  check_threads([&] { return flip_by_length(x, lengths); });
}

BOOST_AUTO_TEST_CASE(whole_numbers_and_labels) {
  BOOST_TEST(
      all_equal(gather(tensor({{1, 2}, {3, 4}}), 1, tensor({{1}, {0}})), tensor({{2}, {3}})));
  BOOST_TEST(all_equal(scatter_add(zeros({3}, i64), 0, tensor({2, 2, 0}), tensor({5, 6, 7})),
                       tensor({7, 0, 11})));
  BOOST_TEST(all_equal(index_select(tensor({1.0, 1.5, 2.5}), tensor({{2, 0}, {1, 2}})),
                       tensor({{2.5, 1.0}, {1.5, 2.5}})));
  BOOST_TEST(
      all_equal(one_hot(tensor({{1}, {0}}), 3), tensor({{{0.0, 1.0, 0.0}}, {{1.0, 0.0, 0.0}}})));
  BOOST_TEST(all_equal(one_hot(tensor({2}), 3, i64), tensor({{0, 0, 1}})));
  BOOST_TEST(one_hot(zeros({0}, i64), 0).shape() == Shape({0, 0}));
  BOOST_TEST(gather(zeros({3, 0}), 0, zeros({2, 0}, i64)).shape() == Shape({2, 0}));
  BOOST_TEST(index_select(zeros({3, 4}), 1, zeros({0}, i64)).shape() == Shape({3, 0}));
}

BOOST_AUTO_TEST_CASE(a_number_that_is_not_taken_is_not_looked_at) {
  const Tensor x = tensor({1.0, std::nan(""), 3.0});
  BOOST_TEST(all_equal(index_select(x, tensor({0, 2})), tensor({1.0, 3.0})));
  Tape tape;
  const Tensor leaf = tape.watch(x);
  const Tensor g = tape.gradient(sum(gather(leaf, 0, tensor({2, 2}))), leaf);
  BOOST_TEST(all_equal(g, tensor({0.0, 0.0, 2.0})));
}

BOOST_AUTO_TEST_CASE(padding_of_an_embedding_gets_no_gradient) {
  const Tensor ids = tensor({{1, 0, 1}, {2, 0, 1}});
  for (const bool dense : {false, true}) {
    Tape tape;
    const Tensor table = tape.watch(numbers({3, 2}));
    Tensor loss = sum(square(embedding(table, ids, {.padding = 1})));
    if (dense) loss = loss + 0.0 * sum(table);
    const Tensor g = tape.gradient(loss, table, {.differentiable = dense});
    const Tensor expected = detach(table) * tensor({{4.0}, {0.0}, {2.0}}, f64);
    BOOST_TEST(all_close(detach(g), expected, {.relative = 1e-14}));
  }
  BOOST_TEST(
      all_equal(embedding(numbers({3, 2}), ids, {.padding = 1}), embedding(numbers({3, 2}), ids)));
  // Nothing but padding.
  Tape tape;
  const Tensor table = tape.watch(numbers({3, 2}));
  const Tensor y = embedding(table, tensor({1, 1}), {.padding = 1});
  BOOST_TEST(all_equal(tape.gradient(sum(y), table), zeros({3, 2}, f64)));
}

BOOST_AUTO_TEST_CASE(messages) {
  const Tensor x = zeros({3, 5});
  check_throws(
      [&] {
        return gather(x, 1, tensor({{0, 5}}));
      },
      "[gather] id 5 at [0, 1]; needed 0 … 4; hint: axis 1 of x f32 [3, 5] has 5");
  check_throws(
      [&] {
        return gather(x, -1, tensor({{0, -1}}));
      },
      "[gather] id -1 at [0, 1]; needed 0 … 4; hint: axis 1 of x f32 [3, 5] has 5");
  check_throws(
      [&] { return gather(x, 1, tensor({0})); },
      "[gather] x f32 [3, 5], axis 1 and index i64 [1]; needed an index in i64 of the same "
      "rank, nowhere longer than x but on that axis; hint: index_select(x, axis, ids) takes "
      "whole parts of x");
  check_throws(
      [&] {
        return gather(x, 1, zeros({3, 5}));
      },
      "[gather] x f32 [3, 5], axis 1 and index f32 [3, 5]; needed an index in i64 of the "
      "same rank, nowhere longer than x but on that axis; hint: index_select(x, axis, ids) "
      "takes whole parts of x");
  check_throws(
      [&] {
        return scatter_add(x, 0, tensor({{3}}), zeros({1, 1}));
      },
      "[scatter_add] id 3 at [0, 0]; needed 0 … 2; hint: axis 0 of x f32 [3, 5] has 3");
  check_throws(
      [&] {
        return scatter_add(x, 0, tensor({{2}}), zeros({1, 2}));
      },
      "[scatter_add] source f32 [1, 2] for x f32 [3, 5]; needed a source [1, 1]");
  check_throws(
      [&] {
        return index_select(x, 1, tensor({4, 5}));
      },
      "[index_select] id 5 at [1]; needed 0 … 4; hint: axis 1 of x f32 [3, 5] has 5");
  check_throws([&] { return index_select(x, 1, zeros({2})); },
               "[index_select] ids f32 [2]; needed ids in i64; hint: tensor({1, 2}) is i64");
  check_throws(
      [&] {
        return index_add(x, 1, tensor({4}), zeros({3, 2}));
      },
      "[index_add] source f32 [3, 2] for x f32 [3, 5]; needed a source [3, 1]");
  check_throws(
      [&] {
        return one_hot(tensor({{1, 3}}), 3);
      },
      "[one_hot] id 3 at [0, 1]; needed 0 … 2; hint: count is 3");
  check_throws([&] { return one_hot(tensor({0}), 0); },
               "[one_hot] id 0 at [0]; needed no ids; hint: count is 0");
  check_throws([&] { return one_hot(tensor({0}), -1); }, "[one_hot] count -1; needed 0 or more");
  check_throws(
      [&] {
        return embedding(zeros({4, 2}), tensor({{1, 4}}));
      },
      "[embedding] id 4 at [0, 1]; needed 0 … 3; hint: the table has 4 rows; is the "
      "vocabulary of the data that of the model?");
  check_throws(
      [&] {
        return embedding(zeros({4, 2}), tensor({1}), {.padding = 4});
      },
      "[embedding] padding 4 for table f32 [4, 2]; needed 0 … 3");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
