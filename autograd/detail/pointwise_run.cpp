#include <unroll/autograd/detail/pointwise_run.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>

namespace unroll::detail {
namespace {

using simd::PointwiseInput;
using simd::PointwiseOutput;
using simd::PointwiseTable;

// One kernel call over `rows` by `columns`, in tasks where it is large.
void run_block(const PointwiseTable& table, simd::PointwiseKernel kernel, const void* f,
               std::size_t bytes, Index rows, Index columns, const PointwiseInput* in,
               const PointwiseOutput* out) {
  if (rows * columns <= pointwise_small) {
    kernel(f, rows, columns, in, out);
    return;
  }
  const bool by_columns = rows == 1;
  const Index grain = by_columns ? pointwise_task
                                 : std::max<Index>(1, pointwise_task / std::max<Index>(1, columns));
  parallel_for(by_columns ? columns : rows, grain, [&](Index begin, Index end) {
    std::array<PointwiseInput, max_in> i;
    std::array<PointwiseOutput, max_out> o;
    const auto step = static_cast<Index>(bytes);
    for (int k = 0; k < table.inputs; ++k) {
      i[static_cast<std::size_t>(k)] = in[k];
      i[static_cast<std::size_t>(k)].data +=
          begin * step * (by_columns ? in[k].column_stride : in[k].row_stride);
    }
    for (int k = 0; k < table.outputs; ++k) {
      o[static_cast<std::size_t>(k)] = out[k];
      if (out[k].data != nullptr)
        o[static_cast<std::size_t>(k)].data += begin * step * (by_columns ? 1 : out[k].row_stride);
    }
    if (by_columns)
      kernel(f, 1, end - begin, i.data(), o.data());
    else
      kernel(f, end - begin, columns, i.data(), o.data());
  });
}

// The axes of all operands together; axes that lie alike in all are taken as one.
class Loop {
 public:
  Loop(const Shape& shape, int operands) : operands_(operands), rank_(shape.rank()) {
    std::copy(shape.begin(), shape.end(), extents_.begin());
  }

  void add(const Header& x) { add(x.extents(), x.strides(), x.rank); }
  void add_number() { add(nullptr, nullptr, 0); }

  void collapse() {
    for (Index i = rank_ - 2; i >= 0; --i) {
      const auto at = static_cast<std::size_t>(i);
      bool alike = true;
      for (int k = 0; k < operands_ && alike; ++k) {
        const auto& s = strides_[static_cast<std::size_t>(k)];
        if (extents_[at + 1] == 1)
          alike = i + 2 < rank_ || s[at] <= 1;  // packets take the last axis to have no gaps
        else
          alike = extents_[at] == 1 || s[at] == s[at + 1] * extents_[at + 1];
      }
      if (!alike) continue;
      for (int k = 0; k < operands_; ++k) {
        auto& s = strides_[static_cast<std::size_t>(k)];
        if (extents_[at + 1] == 1) s[at + 1] = s[at];
        std::copy(s.begin() + i + 1, s.begin() + rank_, s.begin() + i);
      }
      extents_[at + 1] *= extents_[at];
      std::copy(extents_.begin() + i + 1, extents_.begin() + rank_, extents_.begin() + i);
      --rank_;
    }
  }

  Index columns() const { return rank_ > 0 ? extents_[static_cast<std::size_t>(rank_ - 1)] : 1; }
  Index rows() const { return rank_ > 1 ? extents_[static_cast<std::size_t>(rank_ - 2)] : 1; }
  Index column_stride(int k) const { return stride(k, rank_ - 1); }
  Index row_stride(int k) const { return stride(k, rank_ - 2); }

  // Calls f with the element offsets of every block of rows and columns.
  template <class F>
  void each_block(const F& f) const {
    std::array<Index, max_in + max_out> offsets{};
    std::array<Index, Shape::max_rank> at{};
    for (;;) {
      f(offsets);
      Index axis = rank_ - 3;
      for (; axis >= 0; --axis) {
        const auto a = static_cast<std::size_t>(axis);
        ++at[a];
        for (int k = 0; k < operands_; ++k) offsets[static_cast<std::size_t>(k)] += stride(k, axis);
        if (at[a] < extents_[a]) break;
        for (int k = 0; k < operands_; ++k)
          offsets[static_cast<std::size_t>(k)] -= stride(k, axis) * extents_[a];
        at[a] = 0;
      }
      if (axis < 0) return;
    }
  }

 private:
  void add(const Index* extents, const Index* strides, Index rank) {
    auto& s = strides_[static_cast<std::size_t>(added_++)];
    s.fill(0);
    for (Index i = 0; i < rank; ++i)
      if (extents[i] != 1) s[static_cast<std::size_t>(rank_ - rank + i)] = strides[i];
  }
  Index stride(int k, Index axis) const {
    return axis < 0 ? 0 : strides_[static_cast<std::size_t>(k)][static_cast<std::size_t>(axis)];
  }

  int operands_;
  int added_ = 0;
  Index rank_;
  std::array<Index, Shape::max_rank> extents_{};
  std::array<std::array<Index, Shape::max_rank>, max_in + max_out> strides_{};
};

// An operand whose last axis can be read by packets, or repeats one element.
Header* readable(Header* x, Tensor& hold) {
  const bool gaps = x->rank > 0 && x->extents()[x->rank - 1] != 1 && x->strides()[x->rank - 1] > 1;
  if (!gaps) return x;
  hold = empty_like(*x);
  retain(x);
  copy_elements(Tensor::adopt(x), hold);
  return hold.header();
}

// The common case of `run`, without a look at every axis: a small call over rows that may lie
// apart, all of one shape. Does nothing and returns false for any other.
bool run_rows(const PointwiseTable& table, const void* f, const Header& like, Header* const* in,
              const OutputBlock* out) {
  static constexpr std::array<double, 8> zeros{};
  if (like.size > pointwise_small || like.size == 0) return false;
  Room<PointwiseInput, max_in> i;
  Room<PointwiseOutput, max_out> o;
  Rows rows;
  for (int k = 0; k < table.inputs; ++k) {
    const auto at = static_cast<std::size_t>(k);
    if (in[k] == nullptr) {
      i.put(at, {.data = reinterpret_cast<const std::byte*>(zeros.data()),
                 .row_stride = 0,
                 .column_stride = 0});
      continue;
    }
    if (!same_extents(*in[k], like) ||
        !as_rows({in[k]->extents(), in[k]->rank}, {in[k]->strides(), in[k]->rank}, rows))
      return false;
    i.put(at, {.data = in[k]->data, .row_stride = rows.stride});
  }
  for (int k = 0; k < table.outputs; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const Header* y = out[k].header;
    if (y != nullptr && !as_rows({y->extents(), y->rank}, {y->strides(), y->rank}, rows))
      return false;
    o.put(at, y == nullptr ? PointwiseOutput{}
                           : PointwiseOutput{.data = y->data,
                                             .row_stride = rows.stride,
                                             .accumulate = out[k].accumulate});
  }
  const Index columns = like.rank == 0 ? 1 : like.extents()[like.rank - 1];
  kernel_of(table, like.dtype)(f, like.size / columns, columns, i.data(), o.data());
  return true;
}

// in: null stands for zeros. All outputs have `shape`.
void run(const PointwiseTable& table, const void* f, DType dtype, const Shape& shape,
         Header* const* in, const OutputBlock* out) {
  static constexpr std::array<double, 8> zeros{};
  if (shape.size() == 0) return;
  std::array<Tensor, max_in> hold;
  Loop loop(shape, table.inputs + table.outputs);
  std::array<PointwiseInput, max_in> i;
  std::array<PointwiseOutput, max_out> o;
  for (int k = 0; k < table.inputs; ++k) {
    const auto at = static_cast<std::size_t>(k);
    if (in[k] == nullptr) {
      i[at].data = reinterpret_cast<const std::byte*>(zeros.data());
      loop.add_number();
      continue;
    }
    const Header* x = readable(in[k], hold[at]);
    i[at].data = x->data;
    loop.add(*x);
  }
  bool alone = true;
  for (int k = 0; k < table.outputs; ++k) {
    const auto at = static_cast<std::size_t>(k);
    if (out[k].header == nullptr) {
      loop.add_number();
      continue;
    }
    o[at] = {.data = out[k].header->data, .accumulate = out[k].accumulate};
    loop.add(*out[k].header);
    alone = alone && out[k].header->owner == nullptr;
  }
  // An output that nobody wants must not keep axes apart.
  loop.collapse();
  for (int k = 0; k < table.inputs; ++k) {
    i[static_cast<std::size_t>(k)].row_stride = loop.row_stride(k);
    i[static_cast<std::size_t>(k)].column_stride = loop.column_stride(k);
  }
  for (int k = 0; k < table.outputs; ++k) {
    o[static_cast<std::size_t>(k)].row_stride = loop.row_stride(table.inputs + k);
    o[static_cast<std::size_t>(k)].whole_packets =
        alone && loop.rows() == 1 && loop.columns() == shape.size();
  }
  const simd::PointwiseKernel kernel = kernel_of(table, dtype);
  const std::size_t bytes = element_bytes(dtype);
  const auto in0 = i;
  const auto out0 = o;
  loop.each_block([&](const auto& offsets) {
    for (int k = 0; k < table.inputs; ++k)
      i[static_cast<std::size_t>(k)].data =
          in0[static_cast<std::size_t>(k)].data +
          offsets[static_cast<std::size_t>(k)] * static_cast<Index>(bytes);
    for (int k = 0; k < table.outputs; ++k)
      if (o[static_cast<std::size_t>(k)].data != nullptr)
        o[static_cast<std::size_t>(k)].data =
            out0[static_cast<std::size_t>(k)].data +
            offsets[static_cast<std::size_t>(table.inputs) + static_cast<std::size_t>(k)] *
                static_cast<Index>(bytes);
    run_block(table, kernel, f, bytes, loop.rows(), loop.columns(), i.data(), o.data());
  });
}

}  // namespace

void run_pointwise(const PointwiseTable& table, const void* f, const Header& like,
                   Header* const* in, const OutputBlock* out) {
  if (!run_rows(table, f, like, in, out))
    run(table, f, like.dtype, Shape({like.extents(), like.rank}), in, out);
}

}  // namespace unroll::detail
