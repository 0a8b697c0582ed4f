#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/pointwise.h>

#include <algorithm>
#include <cstring>

namespace unroll::detail {
namespace {

using simd::PointwiseInput;
using simd::PointwiseOutput;
using simd::PointwiseTable;

constexpr Index task_elements = 16384;  // fixed: the cut must not depend on the threads
constexpr int max_in = simd::max_table_inputs;
constexpr int max_out = simd::max_table_outputs;

struct OutputBlock {
  Header* header = nullptr;  // null: not wanted
  bool accumulate = false;
};

simd::PointwiseKernel kernel_of(const PointwiseTable& table, DType dtype) {
  return table.best(dtype == f32 ? simd::Element::f32 : simd::Element::f64);
}

bool same_extents(const Header& a, const Header& b) {
  if (a.rank != b.rank) return false;
  for (std::uint8_t i = 0; i < a.rank; ++i)
    if (a.extents()[i] != b.extents()[i]) return false;
  return true;
}

// Room for operands that costs nothing until they are there: one-element calls are counted in
// nanoseconds.
template <class T, std::size_t N>
class Room {
 public:
  T& put(std::size_t k, const T& value) { return *std::construct_at(data() + k, value); }
  T* data() { return reinterpret_cast<T*>(bytes_); }

 private:
  static_assert(std::is_trivially_destructible_v<T>);
  alignas(T) std::byte bytes_[N * sizeof(T)];
};

// A small call with everything dense and of one shape.
constexpr Index small = 2 * task_elements;

// One kernel call over `rows` by `columns`, in tasks where it is large.
void run_block(const PointwiseTable& table, simd::PointwiseKernel kernel, const void* f,
               std::size_t bytes, Index rows, Index columns, const PointwiseInput* in,
               const PointwiseOutput* out) {
  if (rows * columns <= 2 * task_elements) {
    kernel(f, rows, columns, in, out);
    return;
  }
  const bool by_columns = rows == 1;
  const Index grain =
      by_columns ? task_elements : std::max<Index>(1, task_elements / std::max<Index>(1, columns));
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
  if (like.size > small || like.size == 0) return false;
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
            offsets[static_cast<std::size_t>(table.inputs + k)] * static_cast<Index>(bytes);
    run_block(table, kernel, f, bytes, loop.rows(), loop.columns(), i.data(), o.data());
  });
}

[[noreturn]] void fail_shapes(const Operation& operation, const Tensor* const* inputs, int count) {
  std::string given;
  for (int k = 0; k < count; ++k)
    given += (k == 0 ? "" : k + 1 == count ? " and " : ", ") + describe(*inputs[k]);
  fail(operation.name, {.given = given + " do not broadcast",
                        .needed = "equal extents, or 1, counted from the last axis",
                        .hint = "reshape(x, {…, 1}) lines an axis up"});
}

void check_operands(const Operation& operation, const Tensor* const* inputs, int count) {
  for (int k = 0; k < count; ++k)
    require_floating(operation.name, count == 1 ? "x" : "operand " + std::to_string(k), *inputs[k]);
  for (int k = 1; k < count; ++k) require_same_dtype(operation.name, *inputs[0], *inputs[k]);
}

void record_pointwise(const Operation& operation, const void* f, const Tensor* const* inputs,
                      Tensor* outputs) {
  Recording* tape = tapes.current;
  const PointwiseTable& table = *operation.pointwise;
  const auto ni = static_cast<std::size_t>(table.inputs);
  const auto no = static_cast<std::size_t>(table.outputs);
  if (tape == nullptr) {
    for (std::size_t k = 0; k < ni; ++k) check_not_elsewhere(*inputs[k]->header(), operation.name);
    return;
  }
  std::array<std::uint32_t, max_in> values;
  std::array<Header*, max_in> saved;
  std::array<Header*, max_out> made;
  std::uint32_t any = no_value;
  for (std::size_t k = 0; k < ni; ++k) {
    saved[k] = inputs[k]->header();
    any &= values[k] = tape->history(saved[k], operation.name);
  }
  if (any == no_value) return;
  for (std::size_t k = 0; k < no; ++k) made[k] = outputs[k].header();
  std::byte* at = tape->push(&operation, {values.data(), ni}, {saved.data(), ni},
                             table.function_bytes, {made.data(), no});
  std::memcpy(at, f, table.function_bytes);
  if (tape->check_finite)
    for (std::size_t k = 0; k < no; ++k) check_finite(operation.name, "makes", outputs[k]);
}

[[gnu::noinline]] void apply_general(const Operation& operation, const void* f,
                                     const Tensor* const* inputs, Tensor* outputs) {
  const PointwiseTable& table = *operation.pointwise;
  check_operands(operation, inputs, table.inputs);
  Shape shape = inputs[0]->shape();
  for (int k = 1; k < table.inputs; ++k) {
    Shape wider;
    if (!broadcast(shape, inputs[k]->shape(), wider)) fail_shapes(operation, inputs, table.inputs);
    shape = wider;
  }
  std::array<Header*, max_in> in{};
  std::array<OutputBlock, max_out> out;
  for (int k = 0; k < table.inputs; ++k) in[static_cast<std::size_t>(k)] = inputs[k]->header();
  for (int k = 0; k < table.outputs; ++k) {
    outputs[k] = empty(shape, inputs[0]->dtype());
    out[static_cast<std::size_t>(k)].header = outputs[k].header();
  }
  if (table.outputs > 0 && run_rows(table, f, *outputs[0].header(), in.data(), out.data())) return;
  run(table, f, inputs[0]->dtype(), shape, in.data(), out.data());
}

// Recorded: the gradient of a pointwise function is one itself.
void derivative_recorded(Backward& b) {
  const Operation& operation = *b.node().operation;
  const PointwiseTable& table = *operation.pointwise;
  const auto ni = static_cast<std::size_t>(table.inputs);
  const auto no = static_cast<std::size_t>(table.outputs);
  std::array<Tensor, max_in> operands;
  std::array<const Tensor*, max_in> in{};
  std::array<Tensor, max_out> out;
  for (std::size_t k = 0; k < ni; ++k) operands[k] = b.saved(static_cast<Index>(k));
  for (std::size_t k = 0; k < no; ++k) {
    Tensor g = b.upstream(static_cast<Index>(k));
    operands[ni + k] = g.defined() ? g : number_like(operands[0], 0);
  }
  for (std::size_t k = 0; k < ni + no; ++k) in[k] = &operands[k];
  pointwise_apply(*operation.gradient, &b.attributes<std::byte>(), in.data(), out.data());
  for (std::size_t k = 0; k < ni; ++k) b.add(static_cast<Index>(k), out[k]);
}

// Adding to memory that an earlier output of the same pass writes at other positions (two views
// that overlap) depends on the order of packets. The same position twice does not.
bool overlaps_earlier(const OutputBlock* out, std::size_t k) {
  if (!out[k].accumulate) return false;
  for (std::size_t j = 0; j < k; ++j)
    if (out[j].header != nullptr && out[j].header->block() == out[k].header->block() &&
        out[j].header->data != out[k].header->data)
      return true;
  return false;
}

// In place, for small dense operands of one shape whose gradients are plain buffers. Does nothing
// and returns false for any other.
bool derivative_small(Backward& b) {
  const PointwiseTable& table = *b.node().operation->pointwise->gradient;
  const Node& node = b.node();
  GradientPass& pass = b.pass();
  Recording& tape = pass.tape();
  const auto ni = static_cast<std::size_t>(table.outputs);
  const auto no = static_cast<std::size_t>(table.inputs) - ni;
  Header** saved = tape.saved_of(node);
  const std::uint32_t* values = tape.inputs_of(node);
  const Header& like = *saved[0];
  if (like.size > small) return false;
  Room<PointwiseInput, max_in> in;
  Room<PointwiseOutput, max_out> out;
  std::array<Slot*, max_out> slots;
  for (std::size_t k = 0; k < no; ++k) {
    const Header* g = pass.slot(node.first_output + static_cast<std::uint32_t>(k)).buffer;
    if (g == nullptr || !g->is(Header::dense) || !same_extents(*g, like)) return false;
    in.put(ni + k, {.data = g->data});
  }
  for (std::size_t k = 0; k < ni; ++k) {
    const Header& x = *saved[k];
    if (!x.is(Header::dense) || !same_extents(x, like)) return false;
    in.put(k, {.data = x.data});
    slots[k] = pass.needs(values[k]) ? pass.plain_slot(values[k]) : nullptr;
    if (slots[k] == nullptr && pass.needs(values[k])) return false;
  }
  for (std::size_t k = 0; k < ni; ++k) {
    PointwiseOutput& o = out.put(k, {});
    if (slots[k] == nullptr) continue;
    if (slots[k]->buffer == nullptr) {
      slots[k]->buffer = empty_like(like).surrender();
      slots[k]->set(Slot::full);
    } else {
      o.accumulate = true;
    }
    o.data = slots[k]->buffer->data;
    o.whole_packets = true;
  }
  if (like.size > 0)
    kernel_of(table, like.dtype)(node.payload, 1, like.size, in.data(), out.data());
  return true;
}

// In place: one fused pass writes or adds to every input's gradient where it belongs. An input that
// was broadcast gets its gradient full size first, then summed.
void derivative_in_place(Backward& b) {
  const PointwiseTable& table = *b.node().operation->pointwise->gradient;
  const Node& node = b.node();
  GradientPass& pass = b.pass();
  Recording& tape = pass.tape();
  const auto ni = static_cast<std::size_t>(node.operation->pointwise->inputs);
  const auto no = static_cast<std::size_t>(node.operation->pointwise->outputs);
  Header** saved = tape.saved_of(node);
  const std::uint32_t* values = tape.inputs_of(node);
  const DType dtype = saved[0]->dtype;
  std::array<Header*, max_in> in{};
  std::array<OutputBlock, max_out> out;

  const Header* shape_of = nullptr;
  for (std::size_t k = 0; k < ni; ++k) in[k] = saved[k];
  for (std::size_t k = 0; k < no; ++k) {
    in[ni + k] = pass.slot(node.first_output + static_cast<std::uint32_t>(k)).buffer;
    if (in[ni + k] != nullptr) shape_of = in[ni + k];
  }
  std::array<Destination, max_out> to;
  std::array<Tensor, max_out> full;
  bool read_by_others = false;
  for (std::size_t k = 0; k < ni; ++k) {
    if (!pass.needs(values[k]) || !same_extents(*in[k], *shape_of)) continue;
    to[k] = pass.claim_destination(values[k]);
    read_by_others = read_by_others || to[k].read_by_others;
  }
  if (read_by_others)  // one after the other, then; what is claimed must hold something until its
                       // turn
    for (Destination& d : to) {
      if (d.buffer.defined() && !d.accumulate) fill_elements(d.buffer, 0);
      d = {};
    }
  for (std::size_t k = 0; k < ni; ++k) {
    if (!pass.needs(values[k])) continue;
    if (to[k].buffer.defined()) out[k] = {to[k].buffer.header(), to[k].accumulate};
    if (out[k].header == nullptr || overlaps_earlier(out.data(), k)) {
      full[k] = empty_like(*shape_of);
      out[k] = {full[k].header(), false};
    }
  }
  if (!run_rows(table, node.payload, *shape_of, in.data(), out.data()))
    run(table, node.payload, dtype, Shape({shape_of->extents(), shape_of->rank}), in.data(),
        out.data());
  for (std::size_t k = 0; k < ni; ++k) {
    if (!full[k].defined()) continue;
    if (to[k].buffer.defined())
      add_elements(full[k], to[k].buffer);
    else
      b.add(static_cast<Index>(k), full[k]);
  }
}

}  // namespace

Tensor number_like(const Tensor& like, double number) {
  require_defined("pointwise", "x", like);
  return full({}, number, like.dtype());
}

void pointwise_apply(const Operation& operation, const void* f, const Tensor* const* inputs,
                     Tensor* outputs) {
  const PointwiseTable& table = *operation.pointwise;
  const Header* first = inputs[0]->header();
  bool simple = first != nullptr && first->is(Header::dense) && is_floating(first->dtype) &&
                first->size <= small && first->size > 0;
  for (int k = 1; k < table.inputs && simple; ++k) {
    const Header* x = inputs[k]->header();
    simple = x != nullptr && x->dtype == first->dtype && x->is(Header::dense) &&
             same_extents(*first, *x);
  }
  if (simple) {
    Room<PointwiseInput, max_in> i;
    Room<PointwiseOutput, max_out> o;
    for (int k = 0; k < table.inputs; ++k)
      i.put(static_cast<std::size_t>(k), {.data = inputs[k]->header()->data});
    for (int k = 0; k < table.outputs; ++k) {
      outputs[k] = empty_like(*first);
      o.put(static_cast<std::size_t>(k),
            {.data = outputs[k].header()->data, .whole_packets = true});
    }
    kernel_of(table, first->dtype)(f, 1, first->size, i.data(), o.data());
  } else {
    apply_general(operation, f, inputs, outputs);
  }
  record_pointwise(operation, f, inputs, outputs);
}

void pointwise_derivative(Backward& b) {
  const Operation& operation = *b.node().operation;
  if (operation.gradient == nullptr || operation.gradient->pointwise == nullptr)
    fail(operation.name,
         {.given = "a derivative past the order this pointwise function was compiled for",
          .needed = "order 2 at most",
          .hint = "write it with operations instead: their derivatives go on for ever"});
  if (b.differentiable())
    derivative_recorded(b);
  else if (!derivative_small(b))
    derivative_in_place(b);
}

}  // namespace unroll::detail
