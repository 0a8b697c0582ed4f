#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/generate.h>
#include <unroll/autograd/detail/strided.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

// One call takes one stream: the next of the generator. Element i of the result is a function of
// that stream and i.
namespace unroll {
namespace {

using detail::generate;
using detail::require_floating_dtype;

Rng take_stream(Rng& rng) {
  Rng stream = rng;
  ++rng.counter;
  return stream;
}

double unit(const Rng& stream, Index i) {
  return detail::to_unit(detail::random_bits(stream, static_cast<std::uint64_t>(i)));
}

// Throws, naming the place, unless every row of weights can be drawn from.
template <class T>
void check_weights(const Tensor& given, const T* weights, bool logits) {
  const Index classes = given.size(-1);
  constexpr T none = -std::numeric_limits<T>::infinity();
  for (Index row = 0; row < given.size() / classes; ++row, weights += classes) {
    bool any = false;
    for (Index k = 0; k < classes; ++k) {
      const T w = weights[k];
      const bool fits = logits ? w < -none : w >= T(0) && std::isfinite(w);
      any = any || w > (logits ? none : T(0));
      if (!fits)
        fail("categorical",
             {.given = (logits ? "logit " : "probability ") +
                       std::to_string(static_cast<double>(w)) + " at " +
                       detail::index_text(row * classes + k, given.shape()),
              .needed = logits ? "a number below infinity" : "a finite number, 0 or more",
              .hint = {}});
    }
    if (!any)
      fail("categorical",
           {.given = (logits ? "logits of row " : "probabilities of row ") + std::to_string(row) +
                     (logits ? ", which are all -inf" : ", which are all 0"),
            .needed = "a class that can be drawn",
            .hint = {}});
  }
}

// Which class a number in [0, 1) falls into, where weight(k) >= 0 is that of class k.
template <class Weight>
Index drawn(double at, Index classes, const Weight& weight) {
  double total = 0;
  for (Index k = 0; k < classes; ++k) total += weight(k);
  Index last = 0;
  double sum = 0;
  for (Index k = 0; k < classes; ++k) {
    const double w = weight(k);
    if (w == 0) continue;
    last = k;  // a class of weight 0 is never drawn, by rounding either
    sum += w;
    if (at * total < sum) break;
  }
  return last;
}

}  // namespace

Tensor uniform(const Shape& shape, double low, double high, DType dtype) {
  return uniform(shape, low, high, default_rng(), dtype);
}

Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype) {
  require_floating_dtype("uniform", dtype);
  if (!(low <= high) || !std::isfinite(low) || !std::isfinite(high))
    fail("uniform", {.given = "low " + std::to_string(low) + " and high " + std::to_string(high),
                     .needed = "finite low <= high",
                     .hint = {}});
  const Rng stream = take_stream(rng);
  const bool single = dtype == f32;
  return generate(shape, dtype, [=](Index i) {
    const double v = low + (high - low) * unit(stream, i);
    // Rounding to f32 may reach the excluded end.
    return single && static_cast<float>(v) >= static_cast<float>(high) && low < high
               ? static_cast<double>(
                     std::nextafter(static_cast<float>(high), static_cast<float>(low)))
               : v;
  });
}

Tensor normal(const Shape& shape, double mean, double deviation, DType dtype) {
  return normal(shape, mean, deviation, default_rng(), dtype);
}

Tensor normal(const Shape& shape, double mean, double deviation, Rng& rng, DType dtype) {
  require_floating_dtype("normal", dtype);
  if (!(deviation >= 0))
    fail("normal",
         {.given = "deviation " + std::to_string(deviation), .needed = "0 or more", .hint = {}});
  const Rng stream = take_stream(rng);
  // Box and Muller: one element from two numbers of its own.
  return generate(shape, dtype, [=](Index i) {
    const double u = 1.0 - unit(stream, 2 * i);
    const double v = unit(stream, 2 * i + 1);
    return mean + deviation * std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  });
}

Tensor bernoulli(const Shape& shape, double probability, DType dtype) {
  return bernoulli(shape, probability, default_rng(), dtype);
}

Tensor bernoulli(const Shape& shape, double probability, Rng& rng, DType dtype) {
  if (!(probability >= 0 && probability <= 1))
    fail("bernoulli",
         {.given = "probability " + std::to_string(probability), .needed = "0 … 1", .hint = {}});
  const Rng stream = take_stream(rng);
  return generate(shape, dtype, [=](Index i) { return unit(stream, i) < probability ? 1.0 : 0.0; });
}

Tensor gumbel(const Shape& shape, DType dtype) { return gumbel(shape, default_rng(), dtype); }

Tensor gumbel(const Shape& shape, Rng& rng, DType dtype) {
  require_floating_dtype("gumbel", dtype);
  const Rng stream = take_stream(rng);
  return generate(shape, dtype, [=](Index i) {
    return -std::log(-std::log(std::max(unit(stream, i), 0x1p-54)));  // 1 is never reached
  });
}

Tensor categorical(const Categorical& of) { return categorical(of, default_rng()); }

Tensor categorical(const Categorical& of, Rng& rng) {
  const bool logits = of.logits.defined();
  if (logits == of.probabilities.defined())
    fail("categorical", {.given = logits ? "logits and probabilities" : "nothing",
                         .needed = "one of .logits and .probabilities [..., classes]",
                         .hint = "categorical({.logits = x})"});
  const Tensor& given = logits ? of.logits : of.probabilities;
  detail::require_floating("categorical", logits ? "logits" : "probabilities", given);
  if (given.rank() == 0 || given.size(-1) == 0)
    fail("categorical", {.given = (logits ? "logits " : "probabilities ") + describe(given),
                         .needed = "[..., classes], one class or more",
                         .hint = {}});
  const Index classes = given.size(-1);
  const Tensor dense = detail::dense_copy(given);
  visit_floating(given.dtype(),
                 [&]<class T>(T) { check_weights(given, detail::data<T>(dense), logits); });
  const Rng stream = take_stream(rng);
  Tensor y = detail::empty(given.shape().without(-1), i64);
  visit_floating(given.dtype(), [&]<class T>(T) {
    const T* const weights = detail::data<T>(dense);
    Index* const to = detail::data<Index>(y);
    constexpr Index task_elements = 16384;
    detail::parallel_for(
        y.size(), std::max<Index>(1, task_elements / classes), [&](Index begin, Index end) {
          for (Index row = begin; row < end; ++row) {
            const T* const w = weights + row * classes;
            const auto top = static_cast<double>(*std::max_element(w, w + classes));
            const double at = unit(stream, row);
            to[row] =
                logits ? drawn(at, classes,
                               [&](Index k) { return std::exp(static_cast<double>(w[k]) - top); })
                       : drawn(at, classes, [&](Index k) { return static_cast<double>(w[k]); });
          }
        });
  });
  return y;
}

Tensor permutation(Index count) { return permutation(count, default_rng()); }

Tensor permutation(Index count, Rng& rng) {
  if (count < 0)
    fail("permutation",
         {.given = "count " + std::to_string(count), .needed = "0 or more", .hint = {}});
  Rng stream = take_stream(rng).split("permutation");
  Tensor y = arange(count);
  Index* const all = detail::data<Index>(y);
  for (Index i = count; i-- > 1;) std::swap(all[i], all[stream.below(i + 1)]);
  return y;
}

}  // namespace unroll
