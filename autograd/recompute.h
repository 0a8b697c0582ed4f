#pragma once

#include <unroll/autograd/state.h>
#include <unroll/autograd/tensor.h>

#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace unroll {

namespace detail {

class Recording;

// Around the first run of a function, and around those within later runs.
class Recomputed {
 public:
  using Function = std::function<std::uint64_t()>;

  Recomputed();
  ~Recomputed();
  Recomputed(const Recomputed&) = delete;
  Recomputed& operator=(const Recomputed&) = delete;

  // An input that is kept for later runs.
  void keeps(const Tensor& x);
  // Ends the run. `again` does the same run and returns the fingerprint of its result.
  void finish(Function again, std::uint64_t fingerprint);

  static bool wanted();  // whether anything is being recorded

 private:
  Recording* tape_;
  std::uint32_t part_;
};

// A number that is another one, most likely, where an element of x is.
void add_to_fingerprint(const Tensor& x, std::uint64_t& sum);

template <class S>
std::uint64_t fingerprint(const S& state) {
  std::uint64_t sum = 0;
  for_each_tensor(state, [&](const Tensor& x) { add_to_fingerprint(x, sum); });
  return sum;
}

// What is kept of an input: of a parameter the handle.
template <class S>
using Held = std::conditional_t<std::is_base_of_v<Tensor, S>, Tensor, S>;

}  // namespace detail

// Whether this thread runs a function of recompute() once more now. For code with other effects than
// tensors, which would take place twice: counting, printing.
bool is_recomputing();

// f(inputs...), whose inner values are not kept for the gradient but computed once more when it
// needs them: memory for time, about that of another call of f. Chen et al., "Training deep nets
// with sublinear memory cost", 2016. Inputs and result are states. Kept are the inputs, the result
// as long as somebody holds it, parameters that f reads, and some hundred bytes for each operation;
// tape.report() says how much that is.
//
// Gradients are bit-equal to those of f(inputs...), of any order: dropout draws the same masks, and
// sums are taken in the same order. A differentiable gradient keeps what it computed once more.
// Calls may be nested. Without a tape f just runs.
//
// f is copied, and called again during backward() or gradient(): it must do the same then. What it
// captures by reference has to live as long as the tape is open, and what it reads must not have
// changed. Where f records other operations, or returns other values, backward throws, and says so.
// An exception that f throws goes through to the caller, also in the second run. Throws for
// tape.watch() and tape.backward() in f.
//
//   Tensor y = recompute([&](const Tensor& x) { return tanh(block(x)); }, x);
template <class F, class... States>
auto recompute(const F& f, const States&... inputs) {
  const std::tuple<detail::Held<States>...> kept(inputs...);
  using Result = std::decay_t<decltype(std::apply(f, kept))>;
  if (!detail::Recomputed::wanted()) return Result(std::apply(f, kept));
  detail::Recomputed run;
  for_each_tensor(kept, [&](const Tensor& x) { run.keeps(x); });
  Result result = std::apply(f, kept);
  run.finish([f, kept] { return detail::fingerprint(Result(std::apply(f, kept))); },
             detail::fingerprint(result));
  return result;
}

}  // namespace unroll
