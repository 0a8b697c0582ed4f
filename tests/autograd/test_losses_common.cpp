// What holds for every loss: weights, masks, reductions, nothing, NaN, threads.
#include <unroll/unroll.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// One loss over [2, 3] positions, or over any number in one axis.
struct Loss {
  const char* name;
  Index per_position;  // elements of an operand that make one position; 1: no axis for them
  int operands;        // floating ones; both may get gradients
  std::function<Tensor(const std::vector<Tensor>&, const Shape&, const LossOptions&)> call;
};

// The same targets at every third position.
Tensor ids_of(const Shape& positions, std::vector<Index> of_three) {
  std::vector<Index> ids;
  for (Index i = 0; i < positions.size(); ++i)
    ids.push_back(of_three[static_cast<std::size_t>(i % 3)]);
  return from(std::span<const Index>(ids), positions);
}

const std::vector<Loss>& losses() {
  using In = const std::vector<Tensor>&;
  static const std::vector<Loss> all{
      {"mse", 1, 2, [](In x, const Shape&, const LossOptions& o) { return mse(x[0], x[1], o); }},
      {"mae", 1, 2, [](In x, const Shape&, const LossOptions& o) { return mae(x[0], x[1], o); }},
      {"huber", 1, 2,
       [](In x, const Shape&, const LossOptions& o) {
         return huber(x[0], x[1], {.delta = 0.1, .weights = o.weights, .reduction = o.reduction});
       }},
      {"binary_cross_entropy", 1, 2,
       [](In x, const Shape&, const LossOptions& o) {
         return binary_cross_entropy(x[0], x[1], {.weights = o.weights, .reduction = o.reduction});
       }},
      {"binary_cross_entropy of ids", 1, 1,
       [](In x, const Shape& s, const LossOptions& o) {
         return binary_cross_entropy(x[0], ids_of(s, {1, 0, 1}),
                                     {.weights = o.weights, .reduction = o.reduction});
       }},
      {"hinge", 1, 1,
       [](In x, const Shape& s, const LossOptions& o) {
         return hinge(x[0], ids_of(s, {1, -1, 1}),
                      {.margin = 3, .weights = o.weights, .reduction = o.reduction});
       }},
      {"cross_entropy", 5, 1,
       [](In x, const Shape& s, const LossOptions& o) {
         return cross_entropy(x[0], ids_of(s, {1, 4, 2}),
                              {.weights = o.weights, .reduction = o.reduction});
       }},
      {"cross_entropy, smoothed", 5, 1,
       [](In x, const Shape& s, const LossOptions& o) {
         return cross_entropy(
             x[0], ids_of(s, {1, 4, 2}),
             {.label_smoothing = 0.2, .weights = o.weights, .reduction = o.reduction});
       }},
      {"cross_entropy of probabilities", 5, 2,
       [](In x, const Shape&, const LossOptions& o) {
         return cross_entropy(x[0], x[1], {.weights = o.weights, .reduction = o.reduction});
       }},
      {"nll", 5, 1,
       [](In x, const Shape& s, const LossOptions& o) {
         return nll(x[0], ids_of(s, {1, 4, 2}), {.weights = o.weights, .reduction = o.reduction});
       }},
      {"kl_divergence", 5, 2,
       [](In x, const Shape&, const LossOptions& o) { return kl_divergence(x[0], x[1], o); }},
      {"cosine_embedding", 5, 2,
       [](In x, const Shape& s, const LossOptions& o) {
         return cosine_embedding(x[0], x[1], ids_of(s, {1, -1, 1}),
                                 {.margin = -1, .weights = o.weights, .reduction = o.reduction});
       }},
  };
  return all;
}

std::vector<Tensor> operands_of(const Loss& loss, const Shape& positions, DType dtype, Rng& rng) {
  const Shape shape =
      loss.per_position == 1 ? positions : positions.inserted(positions.rank(), loss.per_position);
  std::vector<Tensor> all;
  // Apart, so that none is near a kink.
  for (int i = 0; i < loss.operands; ++i)
    all.push_back(uniform(shape, i + 0.1, i + 0.9, rng, dtype));
  return all;
}

struct Found {
  Tensor value;
  std::vector<Tensor> gradients;
};

Found evaluate(const Loss& loss, const std::vector<Tensor>& operands, const Shape& positions,
               const LossOptions& options, bool differentiable = false,
               const Tensor& upstream = {}) {
  Tape tape;
  std::vector<Tensor> x;
  for (const Tensor& operand : operands) x.push_back(tape.watch(operand));
  const Tensor y = loss.call(x, positions, options);
  Found found{.value = detach(y), .gradients = {}};
  for (const Tensor& g : tape.gradient(y, std::span<const Tensor>(x),
                                       {.upstream = upstream.defined() ? upstream : ones_like(y),
                                       .differentiable = differentiable}))
    found.gradients.push_back(detach(g));
  return found;
}

// f(loss, dtype, differentiable) for all.
template <class F>
void for_each_loss(const F& f) {
  for (const Loss& loss : losses())
    for (const DType dtype : {f32, f64})
      for (const bool differentiable : {false, true})
        BOOST_TEST_CONTEXT(loss.name << " " << name_of(dtype)
                                     << (differentiable ? " recorded" : " in place"))
  f(loss, dtype, differentiable);
}

constexpr Reduction reductions[] = {Reduction::mean, Reduction::sum, Reduction::none};

void check_all_zero(const Tensor& x) {
  for (const double v : values(x)) BOOST_TEST(v == 0.0);
}

// x with every element of one position replaced.
Tensor spoiled(const Tensor& x, Index position, Index per_position, double value) {
  Tensor y = x;
  for (Index k = 0; k < per_position; ++k) y = with_element(y, position * per_position + k, value);
  return y.to(x.dtype());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(losses_common)

BOOST_AUTO_TEST_CASE(weights_multiply_and_the_mean_divides_by_them) {
  Rng rng(1);
  const Tensor w = tensor({0.5, 2.0, 0.25}, f64);
  for_each_loss([&](const Loss& loss, DType, bool differentiable) {
    const Shape positions{2, 3};
    const auto x = operands_of(loss, positions, f64, rng);
    const Tensor each = evaluate(loss, x, positions, {.reduction = Reduction::none}).value * w;
    for (const Reduction reduction : reductions) {
      const Found found =
          evaluate(loss, x, positions, {.weights = w, .reduction = reduction}, differentiable);
      const Tensor expected = reduction == Reduction::none  ? each
                              : reduction == Reduction::sum ? sum(each)
                                                            : sum(each) / 5.5;
      BOOST_TEST(all_close(found.value, expected, {.relative = 1e-14}));
      const NumericGradient numeric = numeric_gradient(
          [&](std::span<const Tensor> in) {
            return loss.call({in.begin(), in.end()}, positions,
                             {.weights = w, .reduction = reduction});
          },
          x, 0, ones_like(expected));
      BOOST_TEST(disagreement(found.gradients[0], numeric.gradient, {.relative = 1e-7}) == "");
    }
  });
}

BOOST_AUTO_TEST_CASE(what_does_not_count_changes_no_bit) {
  Rng rng(2);
  for_each_loss([&](const Loss& loss, DType dtype, bool differentiable) {
    const Shape positions{2, 3};
    const auto x = operands_of(loss, positions, dtype, rng);
    const Tensor mask = tensor({{1, 0, 1}, {0, 1, 1}});
    for (const Reduction reduction : reductions) {
      const LossOptions options{.weights = mask, .reduction = reduction};
      const Found clean = evaluate(loss, x, positions, options, differentiable);
      for (const double value : {nan, infinity, -infinity, 1e30}) {
        auto dirty = x;
        for (Tensor& operand : dirty)
          for (const Index position : {1, 3})
            operand = spoiled(operand, position, loss.per_position, value);
        const Found found = evaluate(loss, dirty, positions, options, differentiable);
        BOOST_TEST(all_equal(found.value, clean.value));
        for (std::size_t i = 0; i < x.size(); ++i) {
          BOOST_TEST(all_equal(found.gradients[i], clean.gradients[i]));
          const auto g = values(found.gradients[i]);
          for (const Index position : {1, 3})
            for (Index k = 0; k < loss.per_position; ++k)
              BOOST_TEST(g[static_cast<std::size_t>(position * loss.per_position + k)] == 0.0);
        }
      }
    }
    // What flows back to a position that does not count is dropped, too.
    const Tensor upstream = tensor({{1.0, nan, 1.0}, {infinity, 1.0, 1.0}}, dtype);
    const Found found =
        evaluate(loss, x, positions, {.weights = mask, .reduction = Reduction::none},
                 differentiable, upstream);
    for (const Tensor& gradient : found.gradients)
      for (const double g : values(gradient)) BOOST_TEST(std::isfinite(g));
    const auto g = values(found.gradients[0]);
    BOOST_TEST(g[static_cast<std::size_t>(loss.per_position)] == 0.0);
  });
}

BOOST_AUTO_TEST_CASE(nothing_that_counts_is_zero) {
  Rng rng(3);
  for_each_loss([&](const Loss& loss, DType dtype, bool differentiable) {
    for (const Shape& positions : {Shape{2, 3}, Shape{0}, Shape{2, 0}})
      for (const Reduction reduction : reductions) {
        const auto x = operands_of(loss, positions, dtype, rng);
        std::vector<Tensor> weights{zeros(positions)};
        if (positions.size() == 0) weights.push_back({});
        for (const Tensor& w : weights) {
          const Found found =
              evaluate(loss, x, positions, {.weights = w, .reduction = reduction}, differentiable);
          BOOST_TEST(found.value.shape() == (reduction == Reduction::none ? positions : Shape{}));
          check_all_zero(found.value);
          for (std::size_t i = 0; i < x.size(); ++i) {
            BOOST_TEST(found.gradients[i].shape() == x[i].shape());
            check_all_zero(found.gradients[i]);
          }
        }
      }
  });
}

BOOST_AUTO_TEST_CASE(one_position_of_rank_zero) {
  Rng rng(4);
  for_each_loss([&](const Loss& loss, DType dtype, bool differentiable) {
    const auto x = operands_of(loss, {}, dtype, rng);
    const Found mean = evaluate(loss, x, {}, {}, differentiable);
    const Found none = evaluate(loss, x, {}, {.reduction = Reduction::none}, differentiable);
    BOOST_TEST(all_equal(mean.value, none.value));
    for (std::size_t i = 0; i < x.size(); ++i)
      BOOST_TEST(all_close(mean.gradients[i], none.gradients[i], {.relative = 1e-6}));
  });
}

BOOST_AUTO_TEST_CASE(nan_in_what_counts_reaches_the_loss) {
  Rng rng(5);
  for (const Loss& loss : losses())
    for (const DType dtype : {f32, f64}) {
      const Shape positions{37};
      const auto x = operands_of(loss, positions, dtype, rng);
      for (std::size_t i = 0; i < x.size(); ++i)
        for (Index at = 0; at < x[i].size(); ++at) {
          // Of log-probabilities only those of the targets are read.
          if (std::string(loss.name) == "nll" &&
              at % 5 != std::vector<Index>{1, 4, 2}[static_cast<std::size_t>(at / 5 % 3)])
            continue;
          auto dirty = x;
          dirty[i] = with_element(x[i], at, nan).to(dtype);
          const Tensor y = loss.call(dirty, positions, {});
          BOOST_REQUIRE_MESSAGE(std::isnan(y.item()),
                                loss.name << " operand " << i << " at " << at);
        }
    }
}

BOOST_AUTO_TEST_CASE(operands_may_lie_apart) {
  Rng rng(6);
  for_each_loss([&](const Loss& loss, DType dtype, bool differentiable) {
    const Shape positions{3, 4};
    const auto x = operands_of(loss, positions, dtype, rng);
    auto apart = x;
    for (Tensor& operand : apart) operand = with_gaps(operand);
    for (const Reduction reduction : reductions) {
      const LossOptions options{.weights = with_gaps(uniform(positions, 0, 1, rng)),
                                .reduction = reduction};
      const Found a = evaluate(loss, x, positions, options, differentiable);
      const Found b = evaluate(loss, apart, positions, options, differentiable);
      BOOST_TEST(all_equal(a.value, b.value));
      for (std::size_t i = 0; i < x.size(); ++i)
        BOOST_TEST(all_equal(a.gradients[i], b.gradients[i]));
    }
  });
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads) {
  Rng rng(7);
  for (const Loss& loss : losses()) {
    const Shape positions{90'000};
    const auto x = operands_of(loss, positions, f32, rng);
    const Tensor w = uniform(positions, 0, 2, rng);
    Found first{};
    for (const Index count : {1, 2, 4}) {
      set_threads(count);
      Found found = evaluate(loss, x, positions, {.weights = w});
      if (count == 1) {
        first = std::move(found);
        continue;
      }
      BOOST_TEST(all_equal(found.value, first.value), loss.name);
      for (std::size_t i = 0; i < x.size(); ++i)
        BOOST_TEST(all_equal(found.gradients[i], first.gradients[i]), loss.name);
    }
    set_threads(0);
  }
}

BOOST_AUTO_TEST_CASE(unfit_weights_throw_and_record_nothing) {
  Rng rng(8);
  for (const Loss& loss : losses()) {
    BOOST_TEST_CONTEXT(loss.name) {
      const Shape positions{2, 3};
      Tape tape;
      const auto given = operands_of(loss, positions, f32, rng);
      std::vector<Tensor> x;
      for (const Tensor& operand : given) x.push_back(tape.watch(operand));
      const Tensor learned = tape.watch(ones({3}));
      std::string name(loss.name);
      name = name.substr(0, name.find_first_of(", "));
      const auto text = [&](const Tensor& w, Reduction reduction) {
        return error_text([&] {
          static_cast<void>(loss.call(x, positions, {.weights = w, .reduction = reduction}));
        });
      };
      BOOST_TEST(text(ones({2}), Reduction::mean) ==
                 "[" + name +
                     "] weights f32 [2] for losses of shape [2, 3]; needed weights that broadcast "
                     "to it");
      BOOST_TEST(text(ones({4, 2, 3}), Reduction::mean).find("weights f32 [4, 2, 3]") !=
                 std::string::npos);
      BOOST_TEST(text(tensor({1.0, -2.0, 1.0}), Reduction::mean) ==
                 "[" + name +
                     "] weight -2.000000 at [1]; needed finite weights, in a mean none below 0");
      BOOST_TEST(text(tensor({1.0, -2.0, 1.0}), Reduction::sum) == "");
      BOOST_TEST(text(tensor({1.0, nan, 1.0}), Reduction::sum).find("] weight nan at [1];") !=
                 std::string::npos);
      const Index nodes = tape.nodes();
      BOOST_TEST(
          text(learned, Reduction::none) ==
          "[" + name +
              "] weights f32 [3] with a history; needed constants; hint: detach(weights), or "
              "multiply the losses of {.reduction = Reduction::none}");
      BOOST_TEST(tape.nodes() == nodes);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
