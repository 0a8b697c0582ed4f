#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/sequence.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>

namespace unroll {
namespace {

std::span<const Index> span_of(std::initializer_list<Index> list) {
  return {list.begin(), list.size()};
}

Tensor last_of(const Tensor& x, const Tensor& lengths);
Tensor place_last(const Tensor& rows, const Tensor& lengths, Index steps);
Tensor flip_within(const Tensor& x, const Tensor& lengths);

CheckCase lengths_case(const Shape& shape, Tensor (*f)(const Tensor&)) {
  return {.name = "", .inputs = {{.shape = shape}}, .call = [f](std::span<const Tensor> in) {
            return f(in[0]);
          }};
}

const RegisteredOperation last_by_length_op{
    {.name = "last_by_length",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined() && b.needs(0))
             b.add(0, place_last(g, b.saved(0), b.input_shape(0)[0]));
         },
     .check =
         [] {
           return Check{.cases = {lengths_case({4, 3, 2}, [](const Tensor& x) {
                          return last_by_length(x, {4, 0, 2});
                        })}};
         },
     .formula = "x[length - 1] of each row, 0 for length 0; dx = dy there"}};

const RegisteredOperation place_last_op{
    {.name = "place_last",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined()) b.add(0, last_of(g, b.saved(0)));
         },
     .check =
         [] {
           return Check{.cases = {lengths_case({3, 2},
                                               [](const Tensor& x) {
                                                 return place_last(x, tensor({4, 0, 2}), 4);
                                               })},
                        .trusts_caller = true};
         },
     .formula = "zeros [T, B, …] with each row at its last step"}};

const RegisteredOperation flip_by_length_op{
    {.name = "flip_by_length",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined()) b.add(0, flip_within(g, b.saved(0)));
         },
     .check =
         [] {
           return Check{.cases = {lengths_case({4, 3, 2}, [](const Tensor& x) {
                          return flip_by_length(x, {4, 0, 3});
                        })}};
         },
     .formula = "each row turned around within its length; dx = dy turned around"}};

Tensor checked_lengths(std::string_view operation, const Tensor& x,
                       std::span<const Index> lengths) {
  detail::require_defined(operation, "x", x);
  if (x.rank() < 2 || x.size(1) != std::ssize(lengths))
    fail(operation,
         {.given = "x " + describe(x) + " and " + std::to_string(lengths.size()) + " lengths",
          .needed = "x [T, B, …] and B lengths",
          .hint = "sequences are time-major; transpose(x, 0, 1)"});
  for (std::size_t b = 0; b < lengths.size(); ++b)
    if (lengths[b] < 0 || lengths[b] > x.size(0))
      fail(operation, {.given = "length " + std::to_string(lengths[b]) + " of row " +
                                std::to_string(b) + " of x " + describe(x),
                       .needed = "0 … " + std::to_string(x.size(0)),
                       .hint = {}});
  return from(lengths, {std::ssize(lengths)});
}

// Elements of one row at one step.
Index row_size(const Tensor& x, Index first_axis) {
  Index size = 1;
  for (Index i = first_axis; i < x.rank(); ++i) size *= x.size(i);
  return size;
}

Tensor last_of(const Tensor& x, const Tensor& lengths) {
  const Tensor from = detail::dense_copy(x);
  const Index batch = x.size(1);
  const Index size = row_size(x, 2);
  Tensor y = detail::empty(x.shape().without(0), x.dtype());
  visit(x.dtype(), [&]<class T>(T) {
    T* to = detail::data<T>(y);
    const Index* length = detail::data<Index>(lengths);
    for (Index b = 0; b < batch; ++b, to += size) {
      if (length[b] == 0)
        std::fill_n(to, size, T(0));
      else
        std::copy_n(detail::data<T>(from) + ((length[b] - 1) * batch + b) * size, size, to);
    }
  });
  return detail::record(last_by_length_op, {&x}, y, {&lengths});
}

Tensor place_last(const Tensor& rows, const Tensor& lengths, Index steps) {
  const Tensor from = detail::dense_copy(rows);
  const Index batch = rows.size(0);
  const Index size = row_size(rows, 1);
  Tensor y = zeros(rows.shape().inserted(0, steps), rows.dtype());
  visit(rows.dtype(), [&]<class T>(T) {
    const Index* length = detail::data<Index>(lengths);
    for (Index b = 0; b < batch; ++b)
      if (length[b] > 0)
        std::copy_n(detail::data<T>(from) + b * size, size,
                    detail::data<T>(y) + ((length[b] - 1) * batch + b) * size);
  });
  return detail::record(place_last_op, {&rows}, y, {&lengths});
}

Tensor flip_within(const Tensor& x, const Tensor& lengths) {
  const Tensor from = detail::dense_copy(x);
  const Index batch = x.size(1);
  const Index size = row_size(x, 2);
  Tensor y = detail::empty_like(*x.header());
  visit(x.dtype(), [&]<class T>(T) {
    const Index* length = detail::data<Index>(lengths);
    constexpr Index task_elements = 16384;
    detail::parallel_for(x.size(0) * batch,
                         std::max<Index>(1, task_elements / std::max<Index>(1, size)),
                         [&](Index begin, Index end) {
                           for (Index row = begin; row < end; ++row) {
                             const Index t = row / batch;
                             const Index b = row % batch;
                             const Index there = t < length[b] ? length[b] - 1 - t : t;
                             std::copy_n(detail::data<T>(from) + (there * batch + b) * size, size,
                                         detail::data<T>(y) + row * size);
                           }
                         });
  });
  return detail::record(flip_by_length_op, {&x}, y, {&lengths});
}

}  // namespace

Tensor sequence_mask(std::span<const Index> lengths, Index steps, DType dtype) {
  if (steps < 0)
    fail("sequence_mask", {.given = std::to_string(steps) + " steps",
                           .needed = "0 or more",
                           .hint = "sequence_mask(lengths, ids.size(0))"});
  const auto batch = std::ssize(lengths);
  Tensor mask = zeros({batch, steps}, dtype);
  for (Index b = 0; b < batch; ++b) {
    const Index length = lengths[static_cast<std::size_t>(b)];
    if (length < 0 || length > steps)
      fail("sequence_mask",
           {.given = "length " + std::to_string(length) + " of row " + std::to_string(b),
            .needed = "0 … " + std::to_string(steps),
            .hint = {}});
    visit(dtype, [&]<class T>(T) { std::fill_n(detail::data<T>(mask) + b * steps, length, T(1)); });
  }
  return mask;
}

Tensor sequence_mask(std::initializer_list<Index> lengths, Index steps, DType dtype) {
  return sequence_mask(span_of(lengths), steps, dtype);
}

Tensor last_by_length(const Tensor& x, std::span<const Index> lengths) {
  return last_of(x, checked_lengths("last_by_length", x, lengths));
}

Tensor last_by_length(const Tensor& x, std::initializer_list<Index> lengths) {
  return last_by_length(x, span_of(lengths));
}

Tensor flip_by_length(const Tensor& x, std::span<const Index> lengths) {
  return flip_within(x, checked_lengths("flip_by_length", x, lengths));
}

Tensor flip_by_length(const Tensor& x, std::initializer_list<Index> lengths) {
  return flip_by_length(x, span_of(lengths));
}

}  // namespace unroll
