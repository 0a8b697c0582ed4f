#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/ops/choose.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/nn/recurrent_support.h>

#include <algorithm>

namespace unroll::nn::detail {
namespace {

constexpr auto weighted_mean = [](auto after, auto before, auto rate) {
  return after + rate * (before - after);
};
constexpr auto through_gate = [](auto gate, auto x, auto y) { return x + sigmoid(gate) * (y - x); };

// A mask [rows] beside a tensor [rows, ...].
Tensor beside(const Tensor& mask, Index rank) {
  Shape shape = mask.shape();
  while (shape.rank() < rank) shape = shape.inserted(shape.rank(), 1);
  return reshape(mask, shape);
}

}  // namespace

Tensor between(const Tensor& after, const Tensor& before, double rate) {
  return pointwise(weighted_mean, after, before, rate);
}

Tensor highway(const Tensor& gate, const Tensor& x, const Tensor& y) {
  return pointwise(through_gate, gate, x, y);
}

Lengths::Lengths(std::span<const Index> lengths, const Tensor& x) {
  const Index steps = x.size(0);
  const Index batch = x.size(1);
  const bool swapped = std::ssize(lengths) == steps;
  if (std::ssize(lengths) != batch)
    fail("recurrent",
         {.given = "x " + describe(x) + " has batch " + std::to_string(batch) +
                   ", but lengths has " + std::to_string(lengths.size()) + " entries",
          .needed = swapped ? "x [T, B, F] = " + to_string(Shape{x.size(1), x.size(0), x.size(2)})
                            : "a length for each of " + std::to_string(batch) + " rows",
          .hint = swapped ? "sequences are time-major; transpose(x, 0, 1)" : ""});
  for (std::size_t i = 0; i < lengths.size(); ++i)
    if (lengths[i] < 0 || lengths[i] > steps)
      fail("recurrent",
           {.given = "length " + std::to_string(lengths[i]) + " of row " + std::to_string(i),
            .needed = "0 … " + std::to_string(steps),
            .hint = {}});
  shortest_ = lengths.empty() ? steps : *std::min_element(lengths.begin(), lengths.end());
  longest_ = lengths.empty() ? steps : *std::max_element(lengths.begin(), lengths.end());
  mask_ = zeros({steps, batch}, x.dtype());
  visit_floating(x.dtype(), [&]<class T>(T) {
    T* to = unroll::detail::data<T>(mask_);
    for (Index t = 0; t < steps; ++t)
      for (Index b = 0; b < batch; ++b)
        to[t * batch + b] = t < lengths[static_cast<std::size_t>(b)] ? T(1) : T(0);
  });
}

Tensor Lengths::zero_padded(const Tensor& x) const {
  return given() ? where(beside(mask_, x.rank()), x, 0.0) : x;
}

Tensor Lengths::choose(Index step, const Tensor& then, const Tensor& otherwise) const {
  if (all_valid(step)) return then;
  const Tensor mask = beside(select(mask_, 0, step), then.rank());
  return otherwise.defined() ? where(mask, then, otherwise) : where(mask, then, 0.0);
}

void check_sequence(const Tensor& x) {
  unroll::detail::require_floating("recurrent", "x", x);
  if (x.rank() != 3)
    fail("recurrent", {.given = "x " + describe(x),
                       .needed = "x [T, B, F]",
                       .hint = "reshape(x, {T, 1, F}) makes a batch of one"});
}

void check_initial(const char* kind, const std::string& name, const Tensor& x,
                   const InitialTensor& needed) {
  if (!x.defined())
    fail_nowhere(kind, {.given = name + " is undefined",
                        .needed = "every field of a state, or a state = {} for zeros",
                        .hint = {}});
  if (!needed.fits(x))
    fail_nowhere(
        kind, {.given = name + " " + describe(x),
               .needed = needed.row == nullptr
                             ? "[" + std::to_string(needed.batch) + ", …], a row for each row of x"
                             : std::string(name_of(needed.dtype)) + " " +
                                   to_string(needed.row->with(0, needed.batch)),
               .hint = {}});
  const unroll::detail::Recording* tape = unroll::detail::tapes.current;
  const unroll::detail::Header& h = *x.header();
  if (tape == nullptr || h.tape == 0 || h.tape == tape->serial) return;
  for (const unroll::detail::Recording* r = tape->outer; r != nullptr; r = r->outer)
    if (r->serial == h.tape)
      fail_nowhere(kind, {.given = name + " " + describe(x) + " belongs to an outer tape",
                          .needed = "a value of the innermost tape or without history",
                          .hint = "state = detach(out.state), or compute under one tape"});
  const std::string origin = unroll::detail::origin_of(h);
  fail_nowhere(kind, {.given = name + " " + describe(x) + " belongs to a tape that has ended" +
                               (origin.empty() ? "" : " (made at " + origin + ")"),
                      .needed = "a value without history",
                      .hint = "state = detach(out.state) at the end of each window"});
}

void check_state_size(const char* kind, const char* direction, std::size_t given, Index layers) {
  if (static_cast<Index>(given) != layers)
    fail_nowhere(kind, {.given = std::string("initial.") + direction + " has " +
                                 std::to_string(given) + " states",
                        .needed = layers == 0 ? "none, since the layer has one direction"
                                              : std::to_string(layers) + ", one for each layer",
                        .hint = "a state = {} starts from zeros"});
}

void require_rate(const char* kind, const char* name, double rate) {
  if (!(rate >= 0 && rate < 1))
    fail_nowhere(kind, {.given = std::string(name) + " " + std::to_string(rate),
                        .needed = std::string("0 <= ") + name + " < 1",
                        .hint = {}});
}

void set_size(const char* kind, const char* name, Index& of_cell, Index wanted) {
  if (of_cell != 0 && of_cell != wanted)
    fail_nowhere(kind, {.given = std::string("cell.") + name + " is " + std::to_string(of_cell) +
                                 ", the layer needs " + std::to_string(wanted),
                        .needed = "cell sizes left to the layer",
                        .hint = std::string("leave .cell.") + name + " out"});
  of_cell = wanted;
}

}  // namespace unroll::nn::detail
