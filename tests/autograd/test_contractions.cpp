// Batched products and sums of products, against sums written out.
#include <array>
#include <cmath>
#include <map>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

Tensor numbers(const Shape& shape, std::uint64_t stream = 1) {
  Rng rng(stream);
  return uniform(shape, -1, 1, rng, f64);
}

// Each element by itself, in long double: the letters run over all their values.
Tensor by_hand(const std::string& equation, const std::vector<Tensor>& operands) {
  std::vector<std::string> parts(1);
  const std::size_t arrow = equation.find("->");
  for (const char c : equation.substr(0, arrow))
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  const std::string result = equation.substr(arrow + 2);
  std::string letters = result;
  std::map<char, Index> extents;
  for (std::size_t k = 0; k < parts.size(); ++k)
    for (std::size_t i = 0; i < parts[k].size(); ++i) {
      if (letters.find(parts[k][i]) == std::string::npos) letters += parts[k][i];
      extents[parts[k][i]] = operands[k].size(static_cast<Index>(i));
    }
  std::vector<std::vector<double>> in;
  for (const Tensor& x : operands) in.push_back(values(x));
  Index total = 1, size = 1;
  for (const char c : letters) total *= extents[c];
  std::vector<Index> shape;
  for (const char c : result) shape.push_back(extents[c]);
  for (const Index extent : shape) size *= extent;
  std::vector<long double> sums(static_cast<std::size_t>(size));
  std::map<char, Index> at;
  for (Index n = 0; n < total; ++n) {
    Index rest = n;
    for (std::size_t i = letters.size(); i-- > 0;) {
      at[letters[i]] = rest % extents[letters[i]];
      rest /= extents[letters[i]];
    }
    const auto place = [&](const std::string& part) {
      Index position = 0;
      for (const char c : part) position = position * extents[c] + at[c];
      return static_cast<std::size_t>(position);
    };
    long double product = 1;
    for (std::size_t k = 0; k < parts.size(); ++k) product *= in[k][place(parts[k])];
    sums[place(result)] += product;
  }
  std::vector<double> rounded(sums.begin(), sums.end());
  return from(std::span<const double>(rounded), Shape(shape));
}

// Equations of random letters: diagonals, sums and outer products as they come.
struct Drawn {
  std::string equation;
  std::vector<Tensor> operands;
};
Drawn draw_equation(Rng& rng) {
  const std::array<Index, 5> extents{2, 3, 1, 4, 2};
  Drawn d;
  std::string used;
  const Index count = 1 + rng.below(4);
  for (Index k = 0; k < count; ++k) {
    std::vector<Index> shape;
    if (k > 0) d.equation += ",";
    for (Index rank = rng.below(4); rank > 0; --rank) {
      const auto letter = static_cast<std::size_t>(rng.below(5));
      const char c = static_cast<char>('p' + letter);
      d.equation += c;
      if (used.find(c) == std::string::npos) used += c;
      shape.push_back(extents[letter]);
    }
    d.operands.push_back(numbers(Shape(shape), rng.next()));
  }
  d.equation += "->";
  for (const char c : used)
    if (rng.below(2) == 1) d.equation += c;
  return d;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(contractions)

BOOST_AUTO_TEST_CASE(random_equations) {
  Rng rng(31);
  for (int k = 0; k < 400; ++k) {
    const Drawn d = draw_equation(rng);
    BOOST_TEST_CONTEXT(d.equation)
    BOOST_REQUIRE(all_close(einsum(d.equation, d.operands), by_hand(d.equation, d.operands),
                            {.relative = 1e-12, .absolute = 1e-13}));
  }
}

BOOST_AUTO_TEST_CASE(extents_of_one_stretch) {
  const Tensor a = numbers({2, 1}), b = numbers({1, 3}, 2), c = numbers({2, 3}, 3);
  const Tensor wide_a = contiguous(expand(a, {2, 3})), wide_b = contiguous(expand(b, {2, 3}));
  for (const std::string equation : {"ij,ij->ij", "ij,ij->i", "ij,ij->", "ij,ij->j"}) {
    BOOST_TEST(all_close(einsum(equation, a, b), by_hand(equation, {wide_a, wide_b}),
                         {.relative = 1e-14}));
    BOOST_TEST(
        all_close(einsum(equation, a, c), by_hand(equation, {wide_a, c}), {.relative = 1e-13}));
  }
  BOOST_TEST(
      all_close(einsum("ij,kj->ik", a, c), by_hand("ij,kj->ik", {wide_a, c}), {.relative = 1e-13}));
  BOOST_TEST(einsum("bi,bij->bj", zeros({1, 2}), zeros({0, 2, 3})).shape() == Shape({0, 3}));
}

// The gradient of Σ w · y is the same sum with w in the place of an operand; and its gradient
// again.
BOOST_AUTO_TEST_CASE(gradients_are_equations_too) {
  const Tensor a0 = numbers({2, 3, 4}, 1), b0 = numbers({2, 4, 5}, 2), c0 = numbers({5}, 3);
  const Tensor w = numbers({2, 3}, 4);
  Tape tape;
  const Tensor a = tape.watch(a0), b = tape.watch(b0), c = tape.watch(c0);
  const Tensor y = einsum("nij,njk,k->ni", a, b, c);
  const auto [ga, gb, gc] = tape.gradient(y, {a, b, c}, {.upstream = w, .differentiable = true});
  BOOST_TEST(all_close(detach(ga), by_hand("ni,njk,k->nij", {w, b0, c0}), {.relative = 1e-12}));
  BOOST_TEST(all_close(detach(gb), by_hand("nij,ni,k->njk", {a0, w, c0}), {.relative = 1e-12}));
  BOOST_TEST(all_close(detach(gc), by_hand("nij,njk,ni->k", {a0, b0, w}), {.relative = 1e-12}));
  const Tensor v = numbers({2, 3, 4}, 5);
  const Tensor second = tape.gradient(ga, b, {.upstream = v});
  BOOST_TEST(all_close(second, by_hand("nij,ni,k->njk", {v, w, c0}), {.relative = 1e-12}));
}

// A plain product stays one, so that the gradient of its weight is gathered over time.
BOOST_AUTO_TEST_CASE(a_product_of_matrices_is_recorded_as_one) {
  Tape tape;
  const Tensor x = tape.watch(numbers({2, 3})), W = tape.watch(numbers({3, 4}));
  static_cast<void>(einsum("bi,ij->bj", x, W));
  BOOST_TEST(tape.nodes() == 1);
  BOOST_TEST(all_equal(einsum("bi,ij->bj", {x, W}), matmul(x, W)));
}

BOOST_AUTO_TEST_CASE(batches_in_every_layout) {
  const Tensor a = numbers({3, 2, 4, 5}), b = numbers({3, 2, 5, 6}, 2);
  const Tensor expected = by_hand("xyij,xyjk->xyik", {a, b});
  const auto turned = [](const Tensor& x, Index p, Index q) {
    return transpose(contiguous(transpose(x, p, q)), p, q);
  };
  const auto apart = [](const Tensor& x) {
    return slice(concat({x, x * 7.0}, -1), {.axis = -1, .to = x.size(-1)});
  };
  for (const Tensor& left :
       {a, turned(a, 0, 1), turned(a, 2, 3), turned(a, 1, 3), apart(a), with_gaps(a)})
    for (const Tensor& right :
         {b, turned(b, 0, 1), turned(b, 2, 3), turned(b, 0, 2), apart(b), with_gaps(b)}) {
      BOOST_TEST(all_close(matmul(left, right), expected, {.relative = 1e-13, .absolute = 1e-15}));
      BOOST_TEST(all_close(matmul(left.to(f32), right.to(f32)).to(f64), expected,
                           {.relative = 1e-5, .absolute = 1e-5}));
    }
}

// Gradients of what was broadcast are added in place: the same as recorded, and on any threads.
BOOST_AUTO_TEST_CASE(gradients_of_broadcast_batches) {
  const std::vector<std::pair<Shape, Shape>> shapes{{{4, 1, 20, 30}, {3, 30, 10}},
                                                    {{20, 30}, {4, 30, 10}},
                                                    {{4, 20, 30}, {1, 4, 30, 10}},
                                                    {{1, 2, 3}, {0, 3, 2}},
                                                    {{30}, {4, 30, 10}}};
  for (const auto& [left, right] : shapes) {
    std::vector<Tensor> first;
    for (const bool alone : {true, false})
      for (const bool differentiable : {false, true}) {
        set_threads(alone ? 1 : 0);
        Tape tape;
        const Tensor x = tape.watch(numbers(left)), W = tape.watch(numbers(right, 2));
        const Tensor y = matmul(x, W) + matmul(x * 2.0, W);  // used twice: added to
        const auto [gx, gW] = tape.gradient(
            y, {x, W}, {.upstream = numbers(y.shape(), 3), .differentiable = differentiable});
        if (first.empty()) first = {gx, gW};
        if (differentiable) {
          BOOST_TEST(all_close(detach(gx), first[0], {.relative = 1e-11, .absolute = 1e-14}));
          BOOST_TEST(all_close(detach(gW), first[1], {.relative = 1e-11, .absolute = 1e-14}));
        } else {
          BOOST_TEST(all_equal(gx, first[0]));
          BOOST_TEST(all_equal(gW, first[1]));
        }
      }
    set_threads(0);
  }
}

BOOST_AUTO_TEST_CASE(a_batch_times_itself) {
  for (const bool turned : {false, true}) {
    std::vector<Tensor> found;
    for (const bool differentiable : {false, true}) {
      Tape tape;
      const Tensor x = tape.watch(numbers({2, 3, 3}));
      const Tensor y = turned ? einsum("bij,bkj->bik", x, x) : matmul(x, x);
      found.push_back(detach(tape.gradient(
          y, x, {.upstream = numbers({2, 3, 3}, 2), .differentiable = differentiable})));
    }
    BOOST_TEST(all_close(found[0], found[1], {.relative = 1e-13}));
    const Tensor x = numbers({2, 3, 3}), w = numbers({2, 3, 3}, 2);
    const Tensor expected = turned
                                ? by_hand("bik,bkj->bij", {w, x}) + by_hand("bik,bij->bkj", {w, x})
                                : by_hand("bik,bjk->bij", {w, x}) + by_hand("bij,bik->bjk", {x, w});
    BOOST_TEST(all_close(found[0], expected, {.relative = 1e-13}));
  }
}

BOOST_AUTO_TEST_CASE(vectors) {
  const Tensor a = tensor({1.0, 2.0, 3.0}), b = tensor({4.0, 5.0, 6.0});
  BOOST_TEST(dot(a, b).item() == 32.0);
  BOOST_TEST(matmul(a, b).item() == 32.0);
  BOOST_TEST(
      all_equal(outer(a, tensor({1.0, 10.0})), tensor({{1.0, 10.0}, {2.0, 20.0}, {3.0, 30.0}})));
  BOOST_TEST(all_equal(matmul(tensor({{1.0, 0.0, 1.0}, {0.0, 2.0, 0.0}}), a), tensor({4.0, 4.0})));
  BOOST_TEST(dot(zeros({0}), zeros({0})).item() == 0.0);
  BOOST_TEST(all_equal(matmul(zeros({2, 0}), zeros({0})), zeros({2})));
}

BOOST_AUTO_TEST_CASE(messages) {
  const Tensor a = zeros({2, 3}), b = zeros({4, 5});
  check_throws(
      [&] { return einsum("ij,jk->ik", a, b); },
      "[einsum] \"ij,jk->ik\": 'j' is 3 in operand 0 f32 [2, 3] and 4 in operand 1 f32 [4, "
      "5]; needed one extent, or 1");
  check_throws(
      [&] {
        return einsum("ii->i", zeros({3, 1}));
      },
      "[einsum] \"ii->i\": 'i' is 3 and 1 in operand 0 f32 [3, 1]; needed one extent");
  check_throws([&] { return einsum("ij,jk->ik", a); },
               "[einsum] \"ij,jk->ik\": 2 operands in it and 1 given; needed one part between "
               "commas for each operand");
  check_throws([&] { return einsum("ijk->i", a); },
               "[einsum] \"ijk->i\": 3 letters for operand 0 f32 [2, 3]; needed 2");
  check_throws([&] { return einsum("...ijk->i", a); },
               "[einsum] \"...ijk->i\": 3 letters for operand 0 f32 [2, 3]; needed 2 or fewer");
  check_throws([&] { return einsum("ij->ix", a); },
               "[einsum] \"ij->ix\": 'x' of the result is in no operand; needed a letter of an "
               "operand");
  check_throws([&] { return einsum("ij->ii", a); },
               "[einsum] \"ij->ii\": 'i' is twice in the result; needed each letter once");
  check_throws([&] { return einsum("i1->i", a); },
               "[einsum] \"i1->i\": '1'; needed letters, \"...\", \",\" and one \"->\"");
  check_throws([&] { return einsum("...i->i", a); },
               "[einsum] \"...i->i\": \"...\" stands for 1 axes, and is not in the result; needed "
               "\"...\" behind the arrow");
  check_throws([&] { return einsum("...i...->i", a); },
               "[einsum] \"...i...->i\": \"...\" twice in one part; needed at most one");
  check_throws([&] { return einsum("...i,...i->...", a, b); },
               "[einsum] \"...i,...i->...\": an axis of \"...\" is 2 in operand 0 f32 [2, 3] and 4 "
               "in operand 1 f32 [4, 5]; needed one extent, or 1");
  const Tensor c = zeros({1, 1, 1});
  check_throws([&] { return einsum("abc,def,ghi->abcdefghi", c, c, c); },
               "[einsum] \"abc,def,ghi->abcdefghi\": 9 axes at once; needed at most 8");
  check_throws([&] { return einsum("ij", std::vector<Tensor>{}); },
               "[einsum] \"ij\" and no operand; needed at least one");
  check_throws(
      [&] {
        return matmul(zeros({2, 3, 4}), zeros({3, 4, 5}));
      },
      "[matmul] x f32 [2, 3, 4] and W f32 [3, 4, 5], whose leading axes [2] and [3] do not "
      "broadcast; needed equal extents there, or 1");
  check_throws(
      [&] {
        return matmul(zeros({2, 3, 4}), zeros({2, 5, 6}));
      },
      "[matmul] x f32 [2, 3, 4] and W f32 [2, 5, 6] disagree in 4 and 5; needed x [..., 5]");
  check_throws([&] { return matmul(zeros({3}), zeros({4})); },
               "[matmul] x f32 [3] and W f32 [4] disagree in 3 and 4; needed x [..., 4]");
  check_throws(
      [&] { return matmul(zeros({3}), zeros({})); },
      "[matmul] x f32 [3] and W f32 []; needed x [..., M, K] and W [..., K, N], or vectors "
      "[K]; hint: x * W multiplies by one number");
  check_throws([&] { return dot(zeros({3}), zeros({4})); },
               "[dot] a f32 [3] and b f32 [4]; needed vectors of one length");
  check_throws([&] { return outer(zeros({3}), a); },
               "[outer] a f32 [3] and b f32 [2, 3]; needed two vectors; hint: matmul(x, W) "
               "multiplies matrices");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
