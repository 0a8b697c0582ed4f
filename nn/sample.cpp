#include <unroll/autograd/detail/strided.h>
#include <unroll/nn/sample.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace unroll {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

[[noreturn]] void fail_row(const char* what, Index row, Index at, const Tensor& logits) {
  fail("sample",
       {.given = std::string(what) + " in row " + std::to_string(row) +
                 (at < 0 ? "" : " at " + std::to_string(at)) + " of logits " + describe(logits),
        .needed = "numbers, one of them above -inf",
        .hint = "Tape tape({.check_finite = true}) finds where it began"});
}

void check(const Tensor& logits, const SampleOptions& options) {
  detail::require_floating("sample", "logits", logits);
  if (logits.rank() == 0 || logits.size(-1) == 0)
    fail("sample", {.given = "logits " + describe(logits),
                    .needed = "logits [..., V] with V > 0",
                    .hint = {}});
  if (!(options.temperature >= 0))
    fail("sample", {.given = "temperature " + std::to_string(options.temperature),
                    .needed = "0 or more",
                    .hint = "{.temperature = 0.8}; 0 takes the largest"});
  if (options.top_k < 0)
    fail("sample", {.given = "top_k " + std::to_string(options.top_k),
                    .needed = "0 (all) or more",
                    .hint = "{.top_k = 40}"});
}

// Weights in proportion to the probabilities of one row's logits, over them in place.
void to_weights(std::vector<double>& x, double largest, double temperature) {
  for (double& v : x) {
    if (largest == infinity)
      v = v == infinity ? 1 : 0;
    else
      v = v == -infinity ? 0 : std::exp((v - largest) / temperature);
  }
}

// All but the k largest become -inf.
void keep_largest(std::vector<double>& x, Index k, std::vector<Index>& order) {
  order.resize(x.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto before = [&](Index a, Index b) {
    const double va = x[static_cast<std::size_t>(a)];
    const double vb = x[static_cast<std::size_t>(b)];
    return va != vb ? va > vb : a < b;
  };
  std::nth_element(order.begin(), order.begin() + k, order.end(), before);
  for (auto i = order.begin() + k; i != order.end(); ++i)
    x[static_cast<std::size_t>(*i)] = -infinity;
}

// The first position at which the running sum of the weights goes above `unit` of the whole. There
// is one: the largest weight is 1 and unit < 1, so `aim` stays below the sum of all, rounded or
// not.
Index draw(const std::vector<double>& weights, double unit) {
  const double aim = unit * std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t i = 0;
  double sum = weights[0];
  while (aim >= sum && i + 1 < weights.size()) sum += weights[++i];
  return static_cast<Index>(i);
}

}  // namespace

Tensor sample(const Tensor& logits, Rng& rng, const SampleOptions& options) {
  check(logits, options);
  const Index classes = logits.size(-1);
  const Tensor dense = detail::dense_copy(logits);
  Tensor ids = detail::empty(logits.shape().without(-1), i64);
  Rng stream = rng;  // so that one that throws takes nothing
  std::vector<double> x(static_cast<std::size_t>(classes));
  std::vector<Index> order;
  visit_floating(logits.dtype(), [&]<class T>(T) {
    for (Index row = 0; row < ids.size(); ++row) {
      const T* from = detail::data<T>(dense) + row * classes;
      std::copy(from, from + classes, x.begin());
      const auto nan = std::find_if(x.begin(), x.end(), [](double v) { return std::isnan(v); });
      if (nan != x.end()) fail_row("NaN", row, nan - x.begin(), logits);
      const auto largest = std::max_element(x.begin(), x.end());
      if (*largest == -infinity) fail_row("only -inf", row, -1, logits);
      const double unit = stream.uniform();
      Index id = largest - x.begin();
      if (options.temperature > 0) {
        const double value = *largest;
        if (options.top_k > 0 && options.top_k < classes) keep_largest(x, options.top_k, order);
        to_weights(x, value, options.temperature);
        id = draw(x, unit);
      }
      detail::data<Index>(ids)[row] = id;
    }
  });
  rng = stream;
  return ids;
}

}  // namespace unroll
