// Every operation of the registry against differences, in a test that bears its name.
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cstring>
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/operand_layouts.h"

namespace unroll::test {
namespace {

// What is judged: a function of leaves in f64, some of which may be constants of the tape.
struct Variant {
  std::string name;
  std::vector<Tensor> leaves;  // i64 among them are ids
  Function f;
  Function dense_f =
      {};  // the same on dense copies of the operands; empty where f takes them as they are
  unsigned constants = 0;  // bit i: leaf i is not watched
  bool gaps = false;       // leaves and upstream gradient without dense storage
};

struct Gradients {
  std::vector<Tensor> of;  // undefined for a constant
};

bool is_watched(const Variant& v, std::size_t i) {
  return is_floating(v.leaves[i].dtype()) && (v.constants >> i & 1U) == 0;
}

Gradients gradients(const Variant& v, const Tensor& upstream, bool differentiable) {
  Tape tape;
  std::vector<Tensor> leaves = v.leaves;
  std::vector<Tensor> wanted;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (v.gaps) leaves[i] = with_gaps(leaves[i]);
    if (is_watched(v, i)) wanted.push_back(leaves[i] = tape.watch(leaves[i]));
  }
  const Tensor y = v.f(leaves);
  const auto found = tape.gradient(y, wanted,
                                   {.upstream = v.gaps ? with_gaps(upstream) : upstream,
                                    .differentiable = differentiable,
                                    .unreached = Unreached::zero});
  Gradients all{.of = std::vector<Tensor>(leaves.size())};
  for (std::size_t i = 0, k = 0; i < leaves.size(); ++i)
    if (is_watched(v, i)) all.of[i] = detach(found[k++]);
  return all;
}

void check_bits(const Gradients& a, const Gradients& b) {
  for (std::size_t i = 0; i < a.of.size(); ++i)
    if (a.of[i].defined()) BOOST_TEST(all_equal(a.of[i], b.of[i]));
}

void check_close(const Gradients& a, const Gradients& b, double relative) {
  for (std::size_t i = 0; i < a.of.size(); ++i)
    if (a.of[i].defined()) BOOST_TEST(disagreement(a.of[i], b.of[i], {.relative = relative}) == "");
}

void check_first_order(const Variant& v, const Tensor& upstream, const Gradients& found) {
  for (std::size_t i = 0; i < v.leaves.size(); ++i) {
    if (!is_watched(v, i)) continue;
    const NumericGradient numeric = numeric_gradient(v.f, v.leaves, i, upstream);
    BOOST_TEST_CONTEXT("input " << i << ", differences trusted to " << numeric.error)
    BOOST_TEST(disagreement(found.of[i], numeric.gradient, {.relative = 1e-7}) == "");
  }
}

// Values do not depend on how the operands lie in memory. Products may add up in another order.
void check_values(const Variant& v, const Tensor& y) {
  if (v.dense_f) BOOST_TEST(disagreement(y, v.dense_f(v.leaves), {.relative = 1e-14}) == "");
  if (!v.gaps) return;
  std::vector<Tensor> apart;
  for (const Tensor& leaf : v.leaves) apart.push_back(with_gaps(leaf));
  BOOST_TEST(disagreement(y, v.f(apart), {.relative = 1e-14}) == "");
}

void check_zero_upstream(const Variant& v, const Tensor& upstream) {
  for (const Tensor& g : gradients(v, zeros_like(upstream), false).of)
    if (g.defined())
      for (const double value : values(g)) BOOST_REQUIRE_EQUAL(value, 0.0);
}

void check_single_precision(const Variant& v, const Tensor& upstream, const Gradients& found) {
  Variant single = v;
  for (Tensor& leaf : single.leaves)
    if (is_floating(leaf.dtype())) leaf = leaf.to(f32);
  const Tensor y = single.f(single.leaves);
  BOOST_TEST(disagreement(y, v.f(v.leaves), {.relative = 1e-4}) == "");
  check_close(gradients(single, upstream.to(y.dtype()), false), found, 1e-4);
}

// The first gradient, weighted, as a function of the leaves and of the upstream gradient.
void check_second_order(const Variant& v, const Tensor& upstream, Rng& rng) {
  std::vector<Tensor> point = v.leaves;
  point.push_back(upstream);
  std::vector<Tensor> weights;
  for (const Tensor& leaf : v.leaves) weights.push_back(random_weights(leaf.shape(), rng));

  const auto first = [&](std::span<const Tensor> at) {
    Variant here = v;
    here.gaps = false;
    here.leaves.assign(at.begin(), at.end() - 1);
    double total = 0;
    const Gradients g = gradients(here, at.back(), false);
    for (std::size_t i = 0; i < g.of.size(); ++i)
      if (g.of[i].defined()) total += weighted(g.of[i], weights[i]);
    return full({}, total, f64);
  };

  Tape tape;
  std::vector<Tensor> leaves = point;
  std::vector<Tensor> wanted;
  std::vector<std::size_t> number;
  std::vector<Tensor> first_weights;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const bool is_upstream = i == v.leaves.size();
    if (!is_upstream && !is_watched(v, i)) continue;
    if (v.gaps) leaves[i] = with_gaps(leaves[i]);
    wanted.push_back(leaves[i] = tape.watch(leaves[i]));
    number.push_back(i);
    if (!is_upstream) first_weights.push_back(weights[i]);
  }
  const Tensor y = v.f(std::span(leaves).first(v.leaves.size()));
  const auto g = tape.gradient(
      y, std::span(wanted).first(wanted.size() - 1),
      {.upstream = leaves.back(), .differentiable = true, .unreached = Unreached::zero});
  Tensor total = full({}, 0, f64);
  for (std::size_t i = 0; i < g.size(); ++i) total = total + sum(g[i] * first_weights[i]);
  std::vector<Tensor> second, recorded;
  try {
    second = tape.gradient(total, wanted, {.unreached = Unreached::zero});
  } catch (const Error& e) {
    // A gradient that has no history at all, as one with respect to nothing.
    if (std::string(e.what()).find("has no history") == std::string::npos) throw;
    for (const Tensor& x : wanted) second.push_back(zeros_like(x));
  }
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const NumericGradient numeric = numeric_gradient(first, point, number[k], full({}, 1, f64));
    BOOST_TEST_CONTEXT("second order, leaf " << number[k] << ", differences trusted to "
                                             << numeric.error)
    BOOST_TEST(disagreement(second[k], numeric.gradient, {.relative = 1e-5}) == "");
  }
}

void judge(const Variant& v, bool second_order, Rng& rng) {
  BOOST_TEST_CONTEXT(v.name) {
    const Tensor y = v.f(v.leaves);
    const Tensor upstream = random_weights(y.shape(), rng);
    bool any = false;
    for (std::size_t i = 0; i < v.leaves.size(); ++i) any = any || is_watched(v, i);
    if (!any) {
      Tape tape;
      const Tensor x = tape.watch(ones({2}, f64));
      BOOST_CHECK_THROW(static_cast<void>(tape.gradient(v.f(v.leaves), x, {.upstream = upstream})),
                        Error);
      BOOST_TEST(tape.nodes() == 0);
      return;
    }
    check_values(v, y);
    const Gradients found = gradients(v, upstream, false);
    check_first_order(v, upstream, found);
    check_close(found, gradients(v, upstream, true), 1e-13);
    check_bits(found, gradients(v, upstream, false));
    check_zero_upstream(v, upstream);
    check_single_precision(v, upstream, found);
    Index elements = upstream.size();
    for (const Tensor& leaf : v.leaves) elements += leaf.size();
    if (second_order && elements <= 120) check_second_order(v, upstream, rng);
  }
}

std::vector<Tensor> draw_all(const CheckCase& c, Rng& rng) {
  std::vector<Tensor> leaves;
  for (const CheckInput& input : c.inputs) leaves.push_back(draw(input, input.shape, rng));
  return leaves;
}

std::vector<Tensor> unwrapped(std::span<const Tensor> in, const std::vector<Unwrap>& unwrap) {
  std::vector<Tensor> operands(in.begin(), in.end());
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (unwrap[i]) operands[i] = unwrap[i](operands[i]);
  return operands;
}

// One case with its inputs laid out in every way, taken from a computed tensor, used twice,
// consumed in pieces, and with every subset of inputs constant.
std::vector<Variant> structured_variants(const CheckCase& c, Rng& rng) {
  std::vector<Variant> all;
  const std::size_t arity = c.inputs.size();
  for (const Layout layout : all_layouts) {
    for (std::size_t only = 0; only <= arity; ++only) {
      if (only < arity && (arity == 1 || layout == Layout::dense)) continue;
      std::vector<Tensor> leaves = draw_all(c, rng);
      std::vector<Unwrap> unwrap(arity);
      bool any = false;
      for (std::size_t i = 0; i < arity; ++i) {
        if (only < arity && i != only) continue;
        Laid laid = lay_out(leaves[i], layout);
        if (!laid.base.defined()) continue;
        any = true;
        leaves[i] = laid.base;
        unwrap[i] = laid.unwrap;
      }
      if (!any) continue;
      all.push_back({.name = c.name + ", " + name_of(layout) +
                             (only < arity ? " input " + std::to_string(only) : ""),
                     .leaves = leaves,
                     .f = [call = c.call, unwrap](
                              std::span<const Tensor> in) { return call(unwrapped(in, unwrap)); },
                     .dense_f =
                         [call = c.call, unwrap](std::span<const Tensor> in) {
                           std::vector<Tensor> operands = unwrapped(in, unwrap);
                           for (Tensor& x : operands) x = contiguous(x);
                           return call(operands);
                         }});
    }
  }
  all.push_back({.name = c.name + ", gaps", .leaves = draw_all(c, rng), .f = c.call, .gaps = true});
  all.push_back({.name = c.name + ", used twice",
                 .leaves = draw_all(c, rng),
                 .f = [call = c.call](std::span<const Tensor> in) {
                   const Tensor y = call(in);
                   return y * 0.5 + call(in) * y;
                 }});
  all.push_back({.name = c.name + ", consumed in pieces",
                 .leaves = draw_all(c, rng),
                 .f = [call = c.call](std::span<const Tensor> in) { return in_pieces(call(in)); }});
  for (unsigned constants = 1; constants < 1U << arity; ++constants)
    all.push_back({.name = c.name + ", constants " + std::to_string(constants),
                   .leaves = draw_all(c, rng),
                   .f = c.call,
                   .constants = constants});
  return all;
}

std::vector<std::vector<Shape>> broadcast_shapes(std::size_t arity) {
  std::vector<std::vector<Shape>> all;
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 4}, Shape{2, 3, 4}, Shape{2, 1, 3, 2},
                             Shape{0}, Shape{3, 0}, Shape{1}, Shape{1, 1}, Shape{67}, Shape{3, 19}})
    all.emplace_back(arity, shape);
  if (arity < 2) return all;
  for (const auto& [a, b] :
       {std::pair{Shape{3, 4}, Shape{4}}, std::pair{Shape{3, 1}, Shape{1, 4}},
        std::pair{Shape{2, 3, 4}, Shape{}}, std::pair{Shape{2, 1, 4}, Shape{3, 1}},
        std::pair{Shape{0}, Shape{1}}, std::pair{Shape{2, 3, 5}, Shape{2, 1, 1}},
        std::pair{Shape{2, 9}, Shape{2, 1}}, std::pair{Shape{2, 1, 3, 1}, Shape{5, 1, 4}}})
    for (std::size_t one = 0; one < arity; ++one) {
      std::vector<Shape> shapes(arity, a);
      shapes[one] = b;
      all.push_back(shapes);
    }
  return all;
}

std::vector<Variant> elementwise_variants(const CheckCase& c, Rng& rng) {
  std::vector<Variant> all;
  const std::size_t arity = c.inputs.size();
  for (const auto& shapes : broadcast_shapes(arity)) {
    std::string name;
    std::vector<Tensor> leaves;
    for (std::size_t i = 0; i < arity; ++i) {
      leaves.push_back(draw(c.inputs[i], shapes[i], rng));
      name += " " + to_string(shapes[i]);
    }
    all.push_back({.name = c.name + name, .leaves = leaves, .f = c.call});
    all.push_back({.name = c.name + name + " gaps", .leaves = leaves, .f = c.call, .gaps = true});
  }
  for (const Shape& shape : {Shape{3, 4}, Shape{2, 3, 9}}) {
    CheckCase sized = c;
    for (CheckInput& input : sized.inputs) input.shape = shape;
    for (Variant& v : structured_variants(sized, rng)) all.push_back(std::move(v));
  }
  if (arity < 2) return all;
  const auto same_range = [&](const CheckInput& x) {
    return x.low == c.inputs[0].low && x.high == c.inputs[0].high;
  };
  const bool alike = std::all_of(c.inputs.begin(), c.inputs.end(), same_range);
  const CheckInput& narrow = alike ? c.inputs[0] : c.inputs.back();
  for (const Layout layout : all_layouts) {
    const Laid laid = lay_out(draw(narrow, {3, 4}, rng), layout);
    all.push_back({.name = c.name + " same tensor twice, " + name_of(layout),
                   .leaves = {laid.base},
                   .f = [call = c.call, unwrap = laid.unwrap, arity](std::span<const Tensor> in) {
                     const Tensor x = unwrap ? unwrap(in[0]) : in[0];
                     return call(std::vector<Tensor>(arity, x));
                   }});
  }
  return all;
}

void check_operation(const Operation& operation) {
  BOOST_REQUIRE_MESSAGE(operation.check != nullptr, "the operation has no check row");
  const Check check = operation.check();
  BOOST_REQUIRE_MESSAGE(!check.cases.empty(), "the check row has no cases");
  Rng rng(std::hash<std::string_view>{}(operation.name));
  std::size_t variants = 0;
  for (const CheckCase& c : check.cases) {
    for (int draw_number = 0; draw_number < 2; ++draw_number) {
      const auto made =
          check.elementwise ? elementwise_variants(c, rng) : structured_variants(c, rng);
      for (const Variant& v : made) judge(v, check.second_order, rng);
      variants += made.size();
    }
  }
  BOOST_TEST(variants >= 24U);
}

// The registry is complete only when main runs, so the cases are made as late as Boost.Test allows.
class OperationCases : public boost::unit_test::test_unit_generator {
 public:
  boost::unit_test::test_unit* next() const override {
    const auto all = registered_operations();
    if (next_ == all.size()) return nullptr;
    const Operation* operation = all[next_++];
    return boost::unit_test::make_test_case([operation] { check_operation(*operation); },
                                            operation->name, __FILE__, __LINE__);
  }

 private:
  mutable std::size_t next_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck)

const boost::unit_test::ut_detail::auto_test_unit_registrar operation_cases(
    boost::shared_ptr<boost::unit_test::test_unit_generator>(new OperationCases),
    boost::unit_test::decorator::collector_t::instance());

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(registry)

BOOST_AUTO_TEST_CASE(names_are_unique_and_sorted) {
  const auto all = registered_operations();
  BOOST_TEST(all.size() > 40U);
  for (std::size_t i = 1; i < all.size(); ++i)
    BOOST_TEST(std::strcmp(all[i - 1]->name, all[i]->name) < 0, all[i]->name);
}

BOOST_AUTO_TEST_CASE(every_operation_says_its_formula) {
  for (const Operation* operation : registered_operations())
    BOOST_TEST(std::strlen(operation->formula) > 0U, operation->name);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
