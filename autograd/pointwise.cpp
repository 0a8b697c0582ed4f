#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/pointwise_run.h>
#include <unroll/autograd/detail/record_call.h>
#include <unroll/autograd/pointwise.h>

namespace unroll::detail {
namespace {

using simd::PointwiseInput;
using simd::PointwiseOutput;
using simd::PointwiseTable;

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
  record_call(*tape, operation, {inputs, ni}, values.data(), {saved.data(), ni}, f,
              table.function_bytes, {made.data(), no});
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
  run_pointwise(table, f, *outputs[0].header(), in.data(), out.data());
}

// In one piece with recording: one-element calls are counted in nanoseconds.
[[gnu::always_inline]] inline void apply(const Operation& operation, const void* f,
                                         const Tensor* const* inputs, Tensor* outputs) {
  const PointwiseTable& table = *operation.pointwise;
  const Header* first = inputs[0]->header();
  bool simple = first != nullptr && first->is(Header::dense) && is_floating(first->dtype) &&
                first->size <= pointwise_small && first->size > 0;
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
}

}  // namespace

Tensor number_like(const Tensor& like, double number) {
  require_defined("pointwise", "x", like);
  return full({}, number, like.dtype());
}

void pointwise_apply(const Operation& operation, const void* f, const Tensor* const* inputs,
                     Tensor* outputs) {
  apply(operation, f, inputs, outputs);
  record_pointwise(operation, f, inputs, outputs);
}

void pointwise_values(const Operation& operation, const void* f, const Tensor* const* inputs,
                      Tensor* outputs) {
  apply(operation, f, inputs, outputs);
}

}  // namespace unroll::detail
