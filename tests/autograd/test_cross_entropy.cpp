// Cross-entropy against long double, at its corners, and its errors. What it shares with other
// losses is in test_losses_common.cpp.
#include <unroll/unroll.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/full_size.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Reduction reductions[] = {Reduction::mean, Reduction::sum, Reduction::none};

Tensor ids_tensor(const std::vector<Index>& ids, const Shape& shape) {
  return from(std::span<const Index>(ids), shape);
}

// log Σ e^x of a row, and Σ of its elements' losses with the given parts q of each class.
struct Exact {
  std::vector<long double> loss, gradient;
};

// Rows of logits with target distributions q, all in long double.
Exact exact_rows(const std::vector<double>& x, const std::vector<long double>& q,
                 std::size_t classes) {
  Exact e;
  for (std::size_t row = 0; row * classes < x.size(); ++row) {
    const double* at = x.data() + row * classes;
    const long double top = *std::max_element(at, at + classes);
    long double sum = 0, whole = 0, loss = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += std::exp(at[c] - top);
    for (std::size_t c = 0; c < classes; ++c) {
      const long double part = q[row * classes + c];
      whole += part;
      if (part != 0) loss += part * (std::log(sum) - (at[c] - top));
    }
    e.loss.push_back(loss);
    for (std::size_t c = 0; c < classes; ++c)
      e.gradient.push_back(whole * std::exp(at[c] - top) / sum - q[row * classes + c]);
  }
  return e;
}

// What the declaration says each class of each row counts.
std::vector<long double> parts(const std::vector<Index>& ids, std::size_t classes,
                               const CrossEntropyOptions& o) {
  std::vector<long double> q(ids.size() * classes, 0.0L);
  const auto of_class =
      o.class_weights.defined() ? values(o.class_weights) : std::vector<double>(classes, 1.0);
  const auto of_row =
      o.weights.defined() ? values(o.weights) : std::vector<double>(ids.size(), 1.0);
  long double total = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == o.ignore_index || of_row[i] == 0) continue;
    const auto target = static_cast<std::size_t>(ids[i]);
    total += static_cast<long double>(of_row[i]) * of_class[target];
    for (std::size_t c = 0; c < classes; ++c)
      q[i * classes + c] = of_row[i] * of_class[c] *
                           ((c == target ? 1.0L - o.label_smoothing : 0.0L) +
                            static_cast<long double>(o.label_smoothing) / classes);
  }
  if (o.reduction == Reduction::mean)
    for (long double& part : q) part = total == 0 ? 0 : part / total;
  return q;
}

struct Found {
  Tensor loss, gradient;
};
Found evaluate(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options,
               bool differentiable = false) {
  Tape tape;
  const Tensor x = tape.watch(logits);
  const Tensor y = cross_entropy(x, targets, options);
  return {.loss = detach(y),
          .gradient = detach(
              tape.gradient(y, x, {.upstream = ones_like(y), .differentiable = differentiable}))};
}

Tensor row_of(const std::vector<double>& x, DType dtype) {
  return from(std::span<const double>(x), {1, std::ssize(x)}).to(dtype);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cross_entropy_loss)

BOOST_AUTO_TEST_CASE(agrees_with_long_double) {
  Rng rng(1);
  for (const Index classes : {1, 2, 5, 16, 65, 200})
    for (const DType dtype : {f32, f64})
      for (const Reduction reduction : reductions)
        for (const double smoothing : {0.0, 0.25, 1.0})
          for (const bool is_weighted : {false, true}) {
            const Index rows = 7;
            const Tensor x = uniform({rows, classes}, -9, 9, rng, dtype);
            std::vector<Index> ids;
            for (Index i = 0; i < rows; ++i) ids.push_back(i == 3 ? -1 : i * 31 % classes);
            CrossEntropyOptions o{
                .ignore_index = -1, .label_smoothing = smoothing, .reduction = reduction};
            if (is_weighted) {
              o.class_weights = uniform({classes}, 0.1, 3, rng);
              o.weights = tensor({1.0, 0.5, 0.0, 2.0, 1.0, 0.25, 3.0});
            }
            const Exact exact =
                exact_rows(values(x.to(f64)), parts(ids, static_cast<std::size_t>(classes), o),
                           static_cast<std::size_t>(classes));
            const double tolerance = dtype == f32 ? 2e-6 : 1e-14;
            for (const bool differentiable : {false, true}) {
              const Found found = evaluate(x, ids_tensor(ids, {rows}), o, differentiable);
              const auto loss = values(found.loss.to(f64));
              long double sum = 0;
              for (std::size_t i = 0; i < exact.loss.size(); ++i) {
                sum += exact.loss[i];
                if (reduction == Reduction::none)
                  BOOST_TEST(std::abs(loss[i] - exact.loss[i]) <= tolerance * (1 + exact.loss[i]));
              }
              if (reduction != Reduction::none)
                BOOST_TEST(std::abs(loss[0] - sum) <= tolerance * (1 + sum));
              const auto g = values(found.gradient.to(f64));
              for (std::size_t i = 0; i < g.size(); ++i)
                BOOST_TEST(std::abs(g[i] - exact.gradient[i]) <= tolerance * 3);
            }
          }
}

// Targets, smoothing and class weights as one distribution are probabilities as targets.
BOOST_AUTO_TEST_CASE(ids_are_probabilities_of_one_class) {
  Rng rng(2);
  const Tensor x = uniform({4, 6}, -5, 5, rng, f64);
  const Tensor ids = tensor({0, 5, 2, 2});
  Tensor one_hot = zeros({4, 6}, f64);
  for (const Index at : {0, 11, 14, 20}) one_hot = with_element(one_hot, at, 1);
  for (const Reduction reduction : reductions)
    for (const double smoothing : {0.0, 0.3}) {
      const CrossEntropyOptions o{.label_smoothing = smoothing, .reduction = reduction};
      const Found a = evaluate(x, ids, o);
      const Found b = evaluate(x, one_hot, o);
      BOOST_TEST(all_close(a.loss, b.loss, {.relative = 1e-14}));
      BOOST_TEST(all_close(a.gradient, b.gradient, {.relative = 1e-13, .absolute = 1e-15}));
    }
}

BOOST_AUTO_TEST_CASE(is_finite_for_finite_logits) {
  for (const DType dtype : {f32, f64}) {
    const double huge = dtype == f32 ? 1e30 : 1e300;
    for (const std::vector<double>& row : {std::vector{huge, -huge},
                                           {-huge, -huge},
                                           {huge, huge, huge},
                                           {0.0, huge, -huge},
                                           {1e4, -1e4, 0.0},
                                           {-huge, 1.0, -1.0},
                                           {1e-30, -1e-30, 0.0},
                                           {huge}})
      for (Index target = 0; target < std::ssize(row); ++target)
        for (const double smoothing : {0.0, 0.1})
          for (const bool differentiable : {false, true}) {
            const Found found = evaluate(row_of(row, dtype), tensor({target}),
                                         {.label_smoothing = smoothing}, differentiable);
            BOOST_TEST(std::isfinite(found.loss.item()));
            double sum = 0;
            for (const double g : values(found.gradient.to(f64))) {
              BOOST_TEST(std::isfinite(g));
              sum += g;
            }
            BOOST_TEST(std::abs(sum) <= 1e-6);
          }
  }
  // Exactly right where all is lost to rounding but the difference.
  BOOST_TEST(evaluate(row_of({1e30, -1e30}, f32), tensor({1}), {}).loss.item() ==
             static_cast<double>(2e30F));
  BOOST_TEST(evaluate(row_of({-1e30, 1e30}, f32), tensor({1}), {}).loss.item() == 0.0);
}

BOOST_AUTO_TEST_CASE(gradient_rows_sum_to_zero) {
  Rng rng(3);
  const Index rows = full_or<Index>(1'000'000, 40'000);
  double worst = 0;
  for (const Index classes : {2, 7, 65, 300}) {
    const Index piece = 10'000;
    for (Index done = 0; done < rows / 4; done += piece) {
      const double spread = std::pow(10.0, static_cast<double>(done / piece % 4) - 1);
      const Tensor x = normal({piece, classes}, 0, spread, rng);
      std::vector<Index> ids;
      for (Index i = 0; i < piece; ++i) ids.push_back((i * 7 + done) % classes);
      const Found found = evaluate(
          x, ids_tensor(ids, {piece}),
          {.label_smoothing = done / piece % 2 == 0 ? 0.0 : 0.1, .reduction = Reduction::sum});
      for (const double sum : values(sum(found.gradient.to(f64), -1)))
        worst = std::max(worst, std::abs(sum));
    }
  }
  // Many classes alike, where each sum of equal terms rounds the same way.
  for (const Index classes : {3, 1'000, 8'191, 30'011})
    for (const double below : {0.0, 0.3, 1.7, 11.0, 80.0}) {
      Tensor x = full({1, classes}, -below);
      x = with_element(x, classes / 2, 0).to(f32);
      const Found found = evaluate(x, tensor({classes - 1}), {});
      worst = std::max(worst, std::abs(sum(found.gradient.to(f64)).item()));
    }
  BOOST_TEST_MESSAGE("worst sum of a row: " << worst);
  BOOST_TEST(worst <= 1e-6);
}

BOOST_AUTO_TEST_CASE(a_row_of_minus_infinity_costs_infinity_and_teaches_nothing) {
  for (const DType dtype : {f32, f64})
    for (const double smoothing : {0.0, 0.2})
      for (const bool differentiable : {false, true}) {
        const Tensor x =
            from(std::vector{-infinity, -infinity, -infinity, 0.0, 1.0, 2.0}, {2, 3}).to(dtype);
        const Found found =
            evaluate(x, tensor({1, 2}),
                     {.label_smoothing = smoothing, .reduction = Reduction::none}, differentiable);
        BOOST_TEST(values(found.loss.to(f64))[0] == infinity);
        const auto g = values(found.gradient.to(f64));
        for (std::size_t c = 0; c < 3; ++c) BOOST_TEST(g[c] == 0.0);
        BOOST_TEST(std::abs(g[3] + g[4] + g[5]) <= 1e-6);
        BOOST_TEST(g[5] < 0);
        const Found ignored =
            evaluate(x, tensor({-100, 2}), {.label_smoothing = smoothing}, differentiable);
        BOOST_TEST(std::isfinite(ignored.loss.item()));
      }
}

BOOST_AUTO_TEST_CASE(a_forbidden_class_has_no_probability) {
  for (const DType dtype : {f32, f64})
    for (const bool differentiable : {false, true}) {
      const Tensor x = row_of({1.0, -infinity, 0.0}, dtype);
      const Found other = evaluate(x, tensor({0}), {}, differentiable);
      BOOST_TEST(std::abs(other.loss.item() - std::log1p(std::exp(-1.0))) < 1e-7);
      BOOST_TEST(values(other.gradient.to(f64))[1] == 0.0);
      const Found itself = evaluate(x, tensor({1}), {}, differentiable);
      BOOST_TEST(itself.loss.item() == infinity);
      BOOST_TEST(values(itself.gradient.to(f64))[1] == -1.0);
      // Smoothing pays for it unless the class weighs nothing.
      BOOST_TEST(evaluate(x, tensor({0}), {.label_smoothing = 0.1}, differentiable).loss.item() ==
                 infinity);
      const Found smooth = evaluate(
          x, tensor({0}), {.class_weights = tensor({1.0, 0.0, 1.0}), .label_smoothing = 0.1},
          differentiable);
      BOOST_TEST(std::isfinite(smooth.loss.item()));
      for (const double g : values(smooth.gradient.to(f64))) BOOST_TEST(std::isfinite(g));
      const Tensor p = row_of({0.75, 0.0, 0.25}, dtype);
      const Found soft = evaluate(x, p, {}, differentiable);
      BOOST_TEST(std::abs(soft.loss.item() - (std::log1p(std::exp(-1.0)) + 0.25)) < 1e-6);
      for (const double g : values(soft.gradient.to(f64))) BOOST_TEST(std::isfinite(g));
    }
}

BOOST_AUTO_TEST_CASE(ignored_rows_may_hold_anything) {
  for (const DType dtype : {f32, f64})
    for (const bool differentiable : {false, true})
      for (const double bad : {nan, infinity, -infinity}) {
        const Tensor x = from(std::vector{bad, bad, 0.0, 1.0}, {2, 2}).to(dtype);
        const Tensor clean = from(std::vector{0.0, 0.0, 0.0, 1.0}, {2, 2}).to(dtype);
        for (const CrossEntropyOptions& o :
             {CrossEntropyOptions{}, CrossEntropyOptions{.label_smoothing = 0.1}}) {
          const Found a = evaluate(x, tensor({-100, 0}), o, differentiable);
          const Found b = evaluate(clean, tensor({-100, 0}), o, differentiable);
          BOOST_TEST(all_equal(a.loss, b.loss));
          BOOST_TEST(all_equal(a.gradient, b.gradient));
        }
        // A class that weighs nothing does not count either; a masked id is not read.
        const Found weightless =
            evaluate(x, tensor({1, 0}), {.class_weights = tensor({1.0, 0.0})}, differentiable);
        BOOST_TEST(std::isfinite(weightless.loss.item()));
        BOOST_TEST(values(weightless.gradient.to(f64))[0] == 0.0);
        const Found masked =
            evaluate(x, tensor({77, 0}), {.weights = tensor({0, 1})}, differentiable);
        BOOST_TEST(std::isfinite(masked.loss.item()));
      }
}

// 2²⁴ and more equal terms are where a sum in f32 stands still.
BOOST_AUTO_TEST_CASE(means_over_many_tokens) {
  const Index tokens = full_or<Index>(100'000'000, 3'000'000);
  const Tensor prediction = expand(tensor({1.5}), {tokens});
  const Tensor target = expand(tensor({0.5}), {tokens});
  BOOST_TEST(mse(prediction, target).item() == 1.0);
  BOOST_TEST(mse(prediction, target, {.reduction = Reduction::sum}).item() ==
             static_cast<double>(tokens));
  BOOST_TEST(mse(prediction, target, {.weights = tensor({0.5})}).item() == 1.0);
  const Index rows = full_or<Index>(100'000'000, 1'000'000);
  const Tensor logits = expand(zeros({1, 2}), {rows, 2});
  const Tensor ids = expand(tensor({1}), {rows});
  const double expected = static_cast<double>(static_cast<float>(std::log(2.0)));
  BOOST_TEST(cross_entropy(logits, ids).item() == expected);
  BOOST_TEST(nll(expand(tensor({{-1.0, -2.0}}), {rows, 2}), ids).item() == 2.0);
}

BOOST_AUTO_TEST_CASE(no_classes_and_no_rows) {
  for (const bool differentiable : {false, true}) {
    const Found none = evaluate(zeros({3, 0}), full({3}, -100, i64), {}, differentiable);
    BOOST_TEST(none.loss.item() == 0.0);
    BOOST_TEST((none.gradient.shape() == Shape{3, 0}));
    const Found no_rows = evaluate(zeros({0, 4}), zeros({0}, i64), {}, differentiable);
    BOOST_TEST(no_rows.loss.item() == 0.0);
    BOOST_TEST((no_rows.gradient.shape() == Shape{0, 4}));
  }
  BOOST_TEST(nll(zeros({3, 0}), full({3}, -100, i64)).item() == 0.0);
}

BOOST_AUTO_TEST_CASE(errors) {
  Tape tape;
  const Tensor x = tape.watch(zeros({2, 3}));
  const Tensor ids = tensor({0, 1});
  const auto check = [&](const auto& call, const std::string& text) {
    const Index nodes = tape.nodes();
    check_text([&] { static_cast<void>(call()); }, text);
    BOOST_TEST(tape.nodes() == nodes);
  };
  check(
      [&] {
        return cross_entropy(x, tensor({0, 3}));
      },
      "[cross_entropy] target 3 at [1]; needed 0 … 2 or ignore_index (-100); hint: logits have 3 "
      "classes; is the vocabulary of the data that of the model?");
  check(
      [&] {
        return nll(x, tensor({-1, 0}), {.ignore_index = 7});
      },
      "[nll] target -1 at [0]; needed 0 … 2 or ignore_index (7); hint: logits have 3 classes; is "
      "the vocabulary of the data that of the model?");
  check(
      [&] {
        return cross_entropy(zeros({1, 0}), tensor({0}));
      },
      "[cross_entropy] target 0 at [0]; needed ignore_index (-100); hint: logits have 0 classes; "
      "is the vocabulary of the data that of the model?");
  check(
      [&] {
        return cross_entropy(x, tensor({0, 1, 2}));
      },
      "[cross_entropy] logits f32 [2, 3] and targets i64 [3]; needed logits [..., V] and targets "
      "[...] in i64, or probabilities like the logits");
  check(
      [&] {
        return cross_entropy(x, zeros({2, 3}, f64));
      },
      "[cross_entropy] logits f32 [2, 3] and targets f64 [2, 3]; needed logits [..., V] and "
      "targets [...] in i64, or probabilities like the logits");
  check(
      [&] {
        return nll(x, zeros({2, 3}));
      },
      "[nll] log_probabilities f32 [2, 3] and targets f32 [2, 3]; needed log_probabilities "
      "[..., V] and targets [...] in i64");
  check([&] { return cross_entropy(x, ids, {.class_weights = ones({2})}); },
        "[cross_entropy] class_weights f32 [2] for logits f32 [2, 3]; needed f32 or f64 [3]");
  check(
      [&] {
        return cross_entropy(x, ids, {.class_weights = tensor({1.0, -1.0, 1.0})});
      },
      "[cross_entropy] class weight -1.000000 at [1]; needed finite weights, none below 0");
  check([&] { return cross_entropy(x, ids, {.label_smoothing = 1.5}); },
        "[cross_entropy] label_smoothing 1.500000; needed 0 … 1");
  const Tensor learned = tape.watch(ones({3}));
  check([&] { return cross_entropy(x, ids, {.class_weights = learned}); },
        "[cross_entropy] class_weights f32 [3] with a history; needed constants; hint: "
        "detach(class_weights)");
  check([&] { return cross_entropy(Tensor{}, ids); },
        error_text([] {
          static_cast<void>(softmax(Tensor{}));
        }).replace(0, std::string("[softmax] x").size(), "[cross_entropy] logits"));
  check(
      [&] {
        return kl_divergence(x, zeros({3, 2}));
      },
      "[kl_divergence] f32 [2, 3] and target_logits f32 [3, 2]; needed one shape; hint: a loss "
      "does not broadcast; reshape or expand one of them");
  check([&] { return kl_divergence(zeros({}), zeros({})); },
        "[kl_divergence] logits f32 []; needed logits [..., V]");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
