// Wrong operands of every operation of the registry: the call under a tape that watches them and
// the call without one throw the same text, or give the same bits.
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <map>
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/operation_variants.h"

namespace unroll::test {
namespace {

struct Wrong {
  std::string what;
  std::vector<Tensor> inputs;
  enum Undefined { no, refused, left_out } undefined = no;
};

// Operands that mean something where they are undefined; every other must be refused.
const std::map<std::string_view, std::set<std::size_t>> may_be_left_out{
    {"batch_norm", {1, 2}},
    {"layer_norm", {1, 2}},
    {"rms_norm", {1}},
};
bool is_optional(std::string_view operation, std::size_t input) {
  const auto found = may_be_left_out.find(operation);
  return found != may_be_left_out.end() && found->second.contains(input);
}

// What a call does: a value or the text of an Error. Any other exception gets out, and fails.
struct Outcome {
  std::string thrown = {};
  Tensor value = {};
};

Outcome outcome(const CheckCase& c, const std::vector<Tensor>& inputs) {
  try {
    return {.value = detach(c.call(inputs))};
  } catch (const Error& e) {
    return {.thrown = e.what()};
  }
}

Tensor whole_numbers(const Shape& shape, Index value) {
  const std::vector<Index> all(static_cast<std::size_t>(shape.size()), value);
  return from(std::span<const Index>(all), shape);
}

void add_shapes(const CheckInput& input, Rng& rng,
                const std::function<void(std::string, const Tensor&)>& add) {
  const Shape& shape = input.shape;
  add("rank 0", draw(input, {}, rng));
  add("another rank", draw(input, {7, 5, 3, 2}, rng));
  if (shape.rank() < Shape::max_rank) {
    add("an axis more in front", draw(input, shape.inserted(0, 3), rng));
    add("an axis more behind", draw(input, shape.inserted(shape.rank(), 3), rng));
  }
  if (shape.rank() > 0) add("an axis less", draw(input, shape.without(0), rng));
  for (Index axis = 0; axis < shape.rank(); ++axis) {
    add("longer", draw(input, shape.with(axis, shape[axis] + 1), rng));
    add("empty", draw(input, shape.with(axis, 0), rng));
  }
}

std::vector<Wrong> wrong_operands(const char* operation, const CheckCase& c, Rng& rng) {
  std::vector<Wrong> all;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const CheckInput& input = c.inputs[i];
    const std::vector<Tensor> right = draw_all(c, rng);
    const auto add = [&](std::string what, const Tensor& operand) {
      all.push_back(
          {.what = c.name + ", input " + std::to_string(i) + ": " + what, .inputs = right});
      all.back().inputs[i] = operand;
    };
    add("undefined", Tensor{});
    all.back().undefined = is_optional(operation, i) ? Wrong::left_out : Wrong::refused;
    if (input.ids > 0) {
      add("numbers for ids", right[i].to(f64));
      add("an id too large", whole_numbers(input.shape, input.ids + 1000));
      add("an id below 0", whole_numbers(input.shape, -1000));
    } else {
      add("ids for numbers", whole_numbers(input.shape, 1));
      add("f32 among f64", right[i].to(f32));
    }
    add_shapes(input, rng, [&](std::string what, const Tensor& x) { add(std::move(what), x); });
  }
  return all;
}

// A tape that met an error is as good as new.
void check_usable(Tape& tape, const CheckCase& c, const std::vector<Tensor>& right) {
  const auto gradients = [&](Tape& on) {
    std::vector<Tensor> leaves = right;
    std::vector<Tensor> wanted;
    for (Tensor& x : leaves)
      if (is_floating(x.dtype())) wanted.push_back(x = on.watch(x));
    const Tensor y = c.call(leaves);
    return on.gradient(y, wanted, {.upstream = ones(y.shape(), y.dtype())});
  };
  const auto found = gradients(tape);
  Tape fresh;
  const auto expected = gradients(fresh);
  for (std::size_t i = 0; i < found.size(); ++i) BOOST_TEST(all_equal(found[i], expected[i]));
}

void check_misuse(const Operation& operation) {
  BOOST_REQUIRE(operation.check != nullptr);
  const Check check = operation.check();
  if (check.trusts_caller) {
    BOOST_TEST_MESSAGE("trusts its caller: " << operation.name);
    BOOST_TEST(!check.cases.empty());
    return;
  }
  Rng rng(std::hash<std::string_view>{}(operation.name));
  int thrown = 0;
  for (CheckCase c : check.cases) {
    if (check.elementwise)
      for (CheckInput& input : c.inputs) input.shape = {3, 4};
    for (const Wrong& wrong : wrong_operands(operation.name, c, rng)) {
      BOOST_TEST_CONTEXT(wrong.what) {
        const Outcome plain = outcome(c, wrong.inputs);
        Tape tape;
        std::vector<Tensor> watched = wrong.inputs;
        for (Tensor& x : watched)
          if (x.defined() && is_floating(x.dtype())) x = tape.watch(x);
        const Outcome recorded = outcome(c, watched);
        BOOST_TEST(plain.thrown == recorded.thrown);
        if (plain.value.defined() && recorded.value.defined())
          BOOST_TEST(all_equal(plain.value, recorded.value));
        if (wrong.undefined == Wrong::left_out) BOOST_TEST(plain.thrown.empty(), plain.thrown);
        if (wrong.undefined == Wrong::refused)
          BOOST_TEST(plain.thrown.find("undefined") != std::string::npos,
                     (plain.thrown.empty() ? "nothing was thrown" : plain.thrown));
        if (plain.thrown.empty()) continue;
        ++thrown;
        BOOST_TEST(plain.thrown.starts_with("["), plain.thrown);
        BOOST_TEST(plain.thrown.find("; needed ") != std::string::npos, plain.thrown);
        if (recorded.thrown.empty()) continue;
        check_usable(tape, c, draw_all(c, rng));
      }
    }
  }
  BOOST_TEST(thrown > 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(operation_misuse)

const auto operation_cases = for_every_operation(check_misuse, __FILE__);

// What the rows of the registry do not draw: whole numbers, masks, constants, what has no
// derivative.
BOOST_AUTO_TEST_CASE(undefined_operands_without_a_row) {
  const Tensor none, x = ones({2, 3}), ids = tensor({0, 1}), mask = x > 0.0;
  const std::map<std::string, std::function<void()>> calls{
      {"argmax", [&] { argmax(none); }},
      {"argmax of an axis", [&] { argmax(none, 0); }},
      {"argmin", [&] { argmin(none); }},
      {"argsort", [&] { argsort(none); }},
      {"sort", [&] { sort(none); }},
      {"top_k", [&] { top_k(none, 1); }},
      {"less", [&] { static_cast<void>(none < x); }},
      {"less, second", [&] { static_cast<void>(x < none); }},
      {"equal", [&] { static_cast<void>(none == x); }},
      {"equal, second", [&] { static_cast<void>(x == none); }},
      {"equal to a number", [&] { static_cast<void>(none == 1.0); }},
      {"and", [&] { static_cast<void>(none & mask); }},
      {"and, second", [&] { static_cast<void>(mask & none); }},
      {"or", [&] { static_cast<void>(none | mask); }},
      {"or, second", [&] { static_cast<void>(mask | none); }},
      {"not", [&] { static_cast<void>(!none); }},
      {"any", [&] { static_cast<void>(any(none)); }},
      {"all", [&] { static_cast<void>(all(none)); }},
      {"any of an axis", [&] { any(none, 0); }},
      {"all of an axis", [&] { all(none, 0); }},
      {"where, mask", [&] { where(none, x, x); }},
      {"where, a", [&] { where(mask, none, x); }},
      {"where, b", [&] { where(mask, x, none); }},
      {"where, number a", [&] { where(mask, 1.0, none); }},
      {"where, number b", [&] { where(mask, none, 1.0); }},
      {"masked_fill", [&] { masked_fill(none, mask, 0); }},
      {"masked_fill, mask", [&] { masked_fill(x, none, 0); }},
      {"gather, index", [&] { gather(x, 0, none); }},
      {"scatter_add, index", [&] { scatter_add(x, 0, none, x); }},
      {"scatter_add, source",
       [&] {
         scatter_add(x, 0, zeros({2, 3}, i64), none);
       }},
      {"index_select, ids", [&] { index_select(x, 0, none); }},
      {"index_add, ids", [&] { index_add(x, 0, none, x); }},
      {"index_add, source", [&] { index_add(x, 0, ids, none); }},
      {"one_hot", [&] { one_hot(none, 3); }},
      {"embedding, ids", [&] { embedding(x, none); }},
      {"dropout", [&] { dropout(none, 0.5); }},
      {"dropout, mask", [&] { dropout(x, none); }},
      {"mse, targets", [&] { mse(x, none); }},
      {"mae, targets", [&] { mae(x, none); }},
      {"huber, targets", [&] { huber(x, none); }},
      {"binary_cross_entropy, targets", [&] { binary_cross_entropy(x, none); }},
      {"hinge, targets", [&] { hinge(x, none); }},
      {"cross_entropy, targets", [&] { cross_entropy(x, none); }},
      {"nll, targets", [&] { nll(x, none); }},
      {"kl_divergence, targets", [&] { kl_divergence(x, none); }},
      {"cosine_embedding, targets", [&] { cosine_embedding(x, x, none); }},
      {"batch_norm_inference, mean", [&] { batch_norm_inference(x, none, ones({3})); }},
      {"batch_norm_inference, variance", [&] { batch_norm_inference(x, ones({3}), none); }},
      {"stack",
       [&] {
         stack({x, none}, 0);
       }},
      {"concat",
       [&] {
         concat({x, none}, 0);
       }},
      {"einsum",
       [&] {
         einsum("ij,ij->", {x, none});
       }},
      {"plus equal",
       [&] {
         Tensor y = x;
         y += none;
       }},
      {"split", [&] { chunk(none, 2, 0); }},
      {"unstack", [&] { unstack(none, 0); }},
      {"to", [&] { none.to(f64); }},
      {"detach", [&] { detach(none); }},
      {"zeros_like", [&] { zeros_like(none); }},
      {"pointwise", [&] { pointwise<0>([](auto a, auto b) { return a + b; }, x, none); }},
      {"sum_to", [&] { sum_to(none, {1}); }},
      {"contiguous", [&] { contiguous(none); }},
      {"tril", [&] { tril(none); }},
      {"last_by_length", [&] { last_by_length(none, {1}); }},
      {"flip_by_length", [&] { flip_by_length(none, {1}); }},
      {"var", [&] { var(none); }},
      {"stddev", [&] { stddev(none); }},
      {"diagonal", [&] { diagonal(none); }},
  };
  for (const auto& [name, call] : calls) {
    BOOST_TEST_CONTEXT(name) {
      const std::string plain = error_text(call);
      BOOST_TEST(plain.find("undefined") != std::string::npos, plain);
      Tape tape;
      BOOST_TEST(error_text(call) == plain);
      BOOST_TEST(tape.nodes() == 0);
    }
  }
}

// The last to notice, for an operation of a user's own.
BOOST_AUTO_TEST_CASE(recording_refuses_undefined_operands) {
  const Operation own{.name = "own"};
  const Tensor x = ones({2}), none;
  const std::string expected =
      "[own] operand 1 is undefined; needed a tensor; hint: a default-constructed Tensor holds "
      "nothing; zeros({2, 3}) makes one";
  const auto ask = [&](const Tensor& a) {
    const std::array operands{&a, &none};
    static_cast<void>(detail::is_recording("own", operands));
  };
  const auto record = [&](const Tensor& a) { detail::record(own, {&a, &none}, ones({2})); };
  BOOST_TEST(error_text([&] { ask(x); }) == expected);
  BOOST_TEST(error_text([&] { record(x); }) == expected);
  Tape tape;
  const Tensor watched = tape.watch(x);
  for (const Tensor& a : {x, watched}) {
    BOOST_TEST(error_text([&] { ask(a); }) == expected);
    BOOST_TEST(error_text([&] { record(a); }) == expected);
  }
  BOOST_TEST(tape.nodes() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
