// Wrong operands of every operation of the registry: the call under a tape that watches them and
// the call without one throw the same text, or give the same bits.
#include <unroll/autograd/operation.h>

#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "support/operation_variants.h"

namespace unroll::test {
namespace {

struct Wrong {
  std::string what;
  std::vector<Tensor> inputs;
  bool must_throw = false;
};

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

std::vector<Wrong> wrong_operands(const CheckCase& c, Rng& rng) {
  std::vector<Wrong> all;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const CheckInput& input = c.inputs[i];
    const std::vector<Tensor> right = draw_all(c, rng);
    const auto add = [&](std::string what, const Tensor& operand, bool must_throw = false) {
      all.push_back({.what = c.name + ", input " + std::to_string(i) + ": " + what,
                     .inputs = right,
                     .must_throw = must_throw});
      all.back().inputs[i] = operand;
    };
    add("undefined", Tensor{}, i == 0);  // others may be left out
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
    for (const Wrong& wrong : wrong_operands(c, rng)) {
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
        if (wrong.must_throw) BOOST_TEST(!plain.thrown.empty(), "nothing was thrown");
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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
