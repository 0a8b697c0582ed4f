// Views and rearrangements: what they cost, what undoes them, what they refuse.
#include <algorithm>
#include <functional>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

Tensor numbers(const Shape& shape, std::uint64_t stream = 1) {
  Rng rng(stream);
  return uniform(shape, -1, 1, rng, f64);
}

bool shares_memory(const Tensor& a, const Tensor& b) {
  return a.header()->block() == b.header()->block();
}

double inner(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(rearrange)

BOOST_AUTO_TEST_CASE(views_copy_nothing) {
  const Tensor x = numbers({2, 1, 3, 4});
  for (const Tensor& view :
       {permute(x, {3, 0, 2, 1}), squeeze(x), squeeze(x, 1), unsqueeze(x, 2), chunk(x, 2, -1)[1],
        split(x, std::vector<Index>{1, 2}, 2)[1], diagonal(x, {.axis_a = 0, .axis_b = 3}),
        slice(x, {.axis = 3, .from = -3, .step = 2}), reshape(unsqueeze(squeeze(x), 1), {6, 4})})
    BOOST_TEST(shares_memory(view, x));
  BOOST_TEST(unsqueeze(squeeze(x), 1).span<double>().data() == x.span<double>().data());
}

BOOST_AUTO_TEST_CASE(a_permutation_is_undone_by_its_inverse) {
  const Tensor x = numbers({2, 3, 4, 5});
  std::vector<Index> axes{0, 1, 2, 3};
  do {
    std::vector<Index> inverse(4);
    for (std::size_t i = 0; i < 4; ++i)
      inverse[static_cast<std::size_t>(axes[i])] = static_cast<Index>(i);
    const Tensor y = permute(x, axes);
    BOOST_TEST(all_equal(permute(y, inverse), x));
    BOOST_TEST(select(select(select(select(y, 0, 1), 0, 1), 0, 1), 0, 1).item() ==
               select(reshape(x, {120}), 0, 60 + 20 + 5 + 1).item());
    for (Index i = 0; i < 4; ++i)
      BOOST_TEST(y.size(i) == x.size(axes[static_cast<std::size_t>(i)]));
  } while (std::next_permutation(axes.begin(), axes.end()));
}

BOOST_AUTO_TEST_CASE(turned_twice_or_back_is_as_before) {
  for (const Shape& shape : {Shape{3, 4, 2}, Shape{1, 5}, Shape{0, 2}, Shape{2, 0}, Shape{7}}) {
    const Tensor x = numbers(shape);
    for (Index axis = 0; axis < shape.rank(); ++axis) {
      BOOST_TEST(all_equal(flip(flip(x, axis), axis), x));
      for (const Index shift : {-9, -1, 0, 1, 2, 100}) {
        BOOST_TEST(all_equal(roll(roll(x, shift, axis), -shift, axis), x));
        BOOST_TEST(all_equal(roll(x, shift + 3 * x.size(axis), axis), roll(x, shift, axis)));
      }
      const Tensor wide = pad(x, {{.axis = axis, .before = 2, .after = 3}}, {.value = 9});
      BOOST_TEST(all_equal(slice(wide, {.axis = axis, .from = 2, .to = -3}), x));
    }
    if (shape.rank() == 2) BOOST_TEST(all_equal(tril(x) + triu(x, {.diagonal = 1}), x + 0.0));
  }
  const Tensor x = numbers({5, 3, 2});
  const std::vector<Index> lengths{5, 0, 2};
  BOOST_TEST(all_equal(flip_by_length(flip_by_length(x, lengths), lengths), x));
  BOOST_TEST(all_equal(slice(flip_by_length(x, {5, 5, 5}), {}), flip(x, 0)));
  BOOST_TEST(all_equal(slice(select(flip_by_length(x, lengths), 1, 2), {.from = 2}),
                       slice(select(x, 1, 2), {.from = 2})));  // padding stays
  BOOST_TEST(all_equal(flip(slice(x, {.from = 1, .step = 2}), 0),
                       stack({select(x, 0, 3), select(x, 0, 1)}, 0)));
}

BOOST_AUTO_TEST_CASE(taken_apart_and_joined_again) {
  const Tensor x = numbers({3, 4, 5});
  for (const Index axis : {0, 1, -1}) {
    BOOST_TEST(all_equal(stack(unstack(x, axis), axis), x));
    for (const Index count : {1, 2, 3, 7})
      BOOST_TEST(all_equal(concat(chunk(x, count, axis), axis), x));
  }
  BOOST_TEST(shares_memory(unstack(x, 1)[2], x));
  BOOST_TEST(unstack(zeros({0, 2}), 0).empty());
  BOOST_TEST(chunk(zeros({0, 2}), 3, 0).size() == 1U);
}

// ⟨f(x), y⟩ = ⟨x, fᵀ(y)⟩ for what is linear, where fᵀ is the gradient.
BOOST_AUTO_TEST_CASE(gradients_are_adjoints) {
  const std::vector<std::function<Tensor(const Tensor&)>> all{
      [](const Tensor& x) {
        return permute(x, {2, 0, 1});
      },
      [](const Tensor& x) {
        return flip(x, {0, 2});
      },
      [](const Tensor& x) { return roll(x, 2, 1); },
      [](const Tensor& x) {
        return pad(x, {{.axis = 0, .after = 2}, {.axis = 2, .before = 1}});
      },
      [](const Tensor& x) {
        return tile(x, {2, 1, 3});
      },
      [](const Tensor& x) { return repeat(x, 1, 3); },
      [](const Tensor& x) { return triu(x, {.diagonal = -1}); },
      [](const Tensor& x) { return diagonal(x, {.axis_a = 1, .axis_b = 2}); },
      [](const Tensor& x) {
        return flip_by_length(x, {3, 1, 0, 2});
      },
      [](const Tensor& x) {
        return last_by_length(x, {3, 1, 0, 2});
      },
      [](const Tensor& x) { return concat(chunk(x, 3, 1), -1); }};
  for (std::size_t k = 0; k < all.size(); ++k) {
    Tape tape;
    const Tensor x = tape.watch(numbers({3, 4, 5}));
    const Tensor y = all[k](x);
    const Tensor w = numbers(y.shape(), 2);
    const Tensor g = tape.gradient(y, x, {.upstream = w});
    BOOST_TEST_CONTEXT("function " << k)
    BOOST_TEST(std::abs(inner(detach(y), w) - inner(detach(x), g)) < 1e-13);
  }
}

BOOST_AUTO_TEST_CASE(whole_numbers_are_moved_too) {
  const Tensor ids = tensor({{1, 2, 3}, {4, 5, 6}});
  BOOST_TEST(all_equal(flip(ids, -1), tensor({{3, 2, 1}, {6, 5, 4}})));
  BOOST_TEST(all_equal(roll(ids, 1, 1), tensor({{3, 1, 2}, {6, 4, 5}})));
  BOOST_TEST(all_equal(pad(ids, {{.axis = 1, .before = 1}}, {.value = -1}),
                       tensor({{-1, 1, 2, 3}, {-1, 4, 5, 6}})));
  BOOST_TEST(all_equal(repeat(ids, 0, 2), tensor({{1, 2, 3}, {1, 2, 3}, {4, 5, 6}, {4, 5, 6}})));
  BOOST_TEST(all_equal(tile(ids, {2, 1}), tensor({{1, 2, 3}, {4, 5, 6}, {1, 2, 3}, {4, 5, 6}})));
  BOOST_TEST(all_equal(triu(ids), tensor({{1, 2, 3}, {0, 5, 6}})));
  BOOST_TEST(tile(ids, {0, 1}).shape() == Shape({0, 3}));
  BOOST_TEST(repeat(ids, 1, 0).shape() == Shape({2, 0}));
}

// What is cut off may hold anything.
BOOST_AUTO_TEST_CASE(padding_and_triangles_do_not_look_at_what_they_drop) {
  const double nan = std::nan("");
  BOOST_TEST(all_equal(tril(tensor({{1.0, nan}, {2.0, 3.0}})), tensor({{1.0, 0.0}, {2.0, 3.0}})));
  const Tensor x = reshape(tensor({1.0, 2.0, nan, 3.0}), {2, 2, 1});
  BOOST_TEST(all_equal(last_by_length(x, {1, 2}), tensor({{1.0}, {3.0}})));
  BOOST_TEST(all_equal(last_by_length(x, {0, 0}), zeros({2, 1})));
  BOOST_TEST(last_by_length(zeros({0, 2, 3}), {0, 0}).shape() == Shape({2, 3}));
  BOOST_TEST(flip_by_length(zeros({3, 0, 2}), std::vector<Index>{}).shape() == Shape({3, 0, 2}));
}

// The gradient that comes to pad is a view of that of the stack: its region lies elsewhere there.
BOOST_AUTO_TEST_CASE(second_derivatives_through_a_region_of_a_view) {
  Tape tape;
  const Tensor x = tape.watch(numbers({2, 3}));
  const Tensor y = pad(x, {{.axis = 0, .before = 1}});
  const Tensor z = stack({numbers({3, 3}, 2), y}, 0);
  const Tensor g = tape.gradient(sum(z * z * z), x, {.differentiable = true});
  BOOST_TEST(all_close(tape.gradient(sum(g), x), 6.0 * detach(x), {.relative = 1e-14}));
}

BOOST_AUTO_TEST_CASE(messages) {
  const Tensor x = zeros({2, 3});
  check_throws(
      [&] {
        return permute(x, {0, 0});
      },
      "[permute] axes {0, 0} for x f32 [2, 3]; needed each of its 2 axes once; hint: "
      "transpose(x, 0, 1) exchanges two");
  check_throws(
      [&] {
        return permute(x, {0, 2});
      },
      "[permute] axis 2 of a tensor of rank 2; needed -2 … 1");
  check_throws([&] { return squeeze(x, 1); },
               "[squeeze] axis 1 of x f32 [2, 3]; needed an axis of extent 1; hint: select(x, "
               "axis, 0) takes one index of any axis");
  check_throws([&] { return unsqueeze(x, 3); },
               "[unsqueeze] axis 3 of a tensor of rank 3; needed -3 … 2");
  check_throws([&] { return chunk(x, 0, 1); },
               "[chunk] 0 pieces of x f32 [2, 3]; needed 1 or more");
  check_throws(
      [&] {
        return split(x, std::vector<Index>{1, 1}, 1)[0];
      },
      "[split] x f32 [2, 3], axis 1 in sizes [1, 1]; needed sizes that add up to 3");
  check_throws([&] { return slice(x, {.axis = 1, .step = -1}); },
               "[slice] from 0 to the end step -1 on axis 1 of x f32 [2, 3]; needed 0 <= from <= "
               "to <= 3 and step > 0; hint: flip(x, axis) turns an axis around");
  check_throws([&] { return diagonal(x, {.axis_a = 1, .axis_b = -1}); },
               "[diagonal] axes 1 and -1 of x f32 [2, 3]; needed two axes");
  check_throws([&] { return flip(x, 2); }, "[flip] axis 2 of a tensor of rank 2; needed -2 … 1");
  check_throws([&] { return pad(x, {{.axis = 0, .before = -1}}); },
               "[pad] -1 before and 0 after axis 0 of x f32 [2, 3]; needed 0 or more; hint: "
               "slice(x, {.axis = 0, .from = 1, .to = -1}) takes away");
  check_throws(
      [&] {
        return pad(tensor({1, 2}), {{.after = 1}}, {.value = 0.5});
      },
      "[pad] value 0.500000 for x i64 [2]; needed a whole number");
  check_throws(
      [&] {
        return tile(x, {2, -1});
      },
      "[tile] counts {2, -1} for x f32 [2, 3]; needed at most 8 counts, 0 or more");
  check_throws([&] { return repeat(x, 0, -1); },
               "[repeat] -1 times axis 0 of x f32 [2, 3]; needed 0 or more");
  check_throws([&] { return tril(zeros({3})); }, "[tril] x f32 [3]; needed matrices [..., M, N]");
  check_throws(
      [&] {
        return last_by_length(zeros({4, 2, 3}), {1, 2, 3});
      },
      "[last_by_length] x f32 [4, 2, 3] and 3 lengths; needed x [T, B, …] and B lengths; "
      "hint: sequences are time-major; transpose(x, 0, 1)");
  check_throws(
      [&] {
        return flip_by_length(zeros({4, 2, 3}), {1, 5});
      },
      "[flip_by_length] length 5 of row 1 of x f32 [4, 2, 3]; needed 0 … 4");
  check_throws(
      [&] {
        return sequence_mask({2, 4}, 3);
      },
      "[sequence_mask] length 4 of row 1; needed 0 … 3");
  check_throws([&] { return sequence_mask({2}, -1); },
               "[sequence_mask] -1 steps; needed 0 or more; hint: sequence_mask(lengths, "
               "ids.size(0))");
  check_throws([&] { return permute(Tensor{}, {0}); },
               error_text([] { static_cast<void>(squeeze(Tensor{})); }).replace(1, 7, "permute"));
}

BOOST_AUTO_TEST_CASE(masks_of_sequences) {
  BOOST_TEST(
      all_equal(sequence_mask({2, 0, 3}, 3, i64), tensor({{1, 1, 0}, {0, 0, 0}, {1, 1, 1}})));
  BOOST_TEST(all_equal(sequence_mask({1, 2}, 2), tensor({{1.0, 0.0}, {1.0, 1.0}})));
  BOOST_TEST(sequence_mask(std::vector<Index>{}, 4).shape() == Shape({0, 4}));
  BOOST_TEST(sequence_mask({0, 0}, 0).shape() == Shape({2, 0}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
