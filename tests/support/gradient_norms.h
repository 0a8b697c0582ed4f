#pragma once

#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/graph.h>
#include <unroll/autograd/tape.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

namespace unroll::test {

// The norm of the gradient of one value of this thread's tape, from a pass that is asked for that
// alone; none where nothing flows to it.
inline std::optional<double> norm_alone(const Tensor& loss, std::uint32_t value) {
  detail::Recording& tape = *detail::tapes.top;
  const detail::RecordingOff off;
  detail::GradientPass pass(tape, {.retain = true});
  const std::uint32_t wanted[] = {value};
  const auto result =
      std::move(pass.run(loss.header()->value, ones(loss.shape(), loss.dtype()), wanted)[0]);
  Tensor g = result.dense;
  if (!g.defined() && result.rows.empty()) return {};
  if (!g.defined()) {
    const Shape shape = tape.shape_of(value);
    g = zeros(shape, tape.dtype_of_value(value));
    for (const auto& part : result.rows) {
      const Tensor ids = contiguous(reshape(part.ids, {-1}));
      const Tensor rows = contiguous(reshape(part.rows, {-1, shape[1]}));
      for (Index i = 0; i < ids.size(); ++i)
        for (Index k = 0; k < shape[1]; ++k)
          visit_floating(g.dtype(), [&]<class T>(T) {
            detail::data<T>(g)[ids.span<Index>()[static_cast<std::size_t>(i)] * shape[1] + k] +=
                detail::data<T>(rows)[i * shape[1] + k];
          });
    }
  }
  g = contiguous(g);
  long double sum = 0;
  visit_floating(g.dtype(), [&]<class T>(T) {
    for (const T x : g.span<T>()) sum += static_cast<long double>(x) * static_cast<long double>(x);
  });
  return static_cast<double>(std::sqrt(sum));
}

// backward() of a loss with and without norms: the gradients of parameters are the same to the bit,
// and the norm of every value is that of its gradient alone. Empty where all holds, else what is
// wrong. `reached` counts the values that have a norm.
inline std::string check_norms(Tape& tape, const Tensor& loss, double relative, Index& reached) {
  const auto plain = tape.backward(loss, {.retain = true});
  if (tape.snapshot().values[0].gradient_norm) return "norms that nobody asked for";
  std::vector<std::optional<double>> expected;
  for (std::size_t v = 0; v < tape.snapshot().values.size(); ++v)
    expected.push_back(norm_alone(loss, static_cast<std::uint32_t>(v)));
  const auto beside = tape.backward(loss, {.retain = true, .keep_norms = true});
  const graph::Snapshot open = tape.snapshot();
  const auto last = tape.backward(loss, {.keep_norms = true});
  const graph::Snapshot s = tape.snapshot();
  for (const auto* other : {&beside, &last}) {
    if (other->size() != plain.size()) return "other parameters";
    for (const auto& entry : plain)
      if (!all_equal(plain[entry.parameter], (*other)[entry.parameter]))
        return "the gradient of " + entry.path + " is another one";
  }
  for (std::size_t v = 0; v < s.values.size(); ++v) {
    const auto& norm = s.values[v].gradient_norm;
    const std::string which = "value " + std::to_string(v) + ": ";
    if (norm != open.values[v].gradient_norm) return which + "other norms when the tape is closed";
    if (norm.has_value() != expected[v].has_value())
      return which + (norm ? "a norm, and no gradient" : "a gradient, and no norm");
    if (!norm) continue;
    ++reached;
    if (!(std::abs(*norm - *expected[v]) <= relative * *expected[v]))
      return which + std::to_string(*norm) + " instead of " + std::to_string(*expected[v]);
  }
  return {};
}

}  // namespace unroll::test
