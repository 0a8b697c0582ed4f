// The derivative of pointwise functions: compiled from them, so there is one rule for all.
#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/pointwise_run.h>
#include <unroll/autograd/pointwise.h>

#include <algorithm>

namespace unroll::detail {
namespace {

using simd::PointwiseInput;
using simd::PointwiseOutput;
using simd::PointwiseTable;

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
  if (like.size > pointwise_small) return false;
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
  run_pointwise(table, node.payload, *shape_of, in.data(), out.data());
  for (std::size_t k = 0; k < ni; ++k) {
    if (!full[k].defined()) continue;
    if (to[k].buffer.defined())
      add_elements(full[k], to[k].buffer);
    else
      b.add(static_cast<Index>(k), full[k]);
  }
}

}  // namespace

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
