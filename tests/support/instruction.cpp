#include "support/instruction.h"

#include <array>
#include <tuple>

namespace unroll::test {
namespace {

using Kind = Instruction::Kind;

constexpr auto gate_cell = [](auto a, auto b, auto c) {
  auto next = sigmoid(a) * c + tanh(b) * 0.5;
  return std::tuple{next, tanh(next) * b};
};

constexpr std::array kind_names{"select", "slice",      "transpose",     "reshape",   "split",
                                "expand", "contiguous", "stack",         "concat",    "tanh",
                                "add",    "sub",        "mul",           "scale",     "gate",
                                "matmul", "affine",     "affine_sum",    "embedding", "sum",
                                "mean",   "softmax",    "cross_entropy", "registered"};

}  // namespace

std::vector<Tensor> execute(const Instruction& i, const std::vector<Tensor>& v) {
  const auto in = [&](std::size_t k) -> const Tensor& { return v[i.operands[k]]; };
  switch (i.kind) {
    case Kind::select:
      return {select(in(0), i.axis, i.from)};
    case Kind::slice:
      return {slice(in(0), {.axis = i.axis, .from = i.from, .to = i.to, .step = i.step})};
    case Kind::transpose:
      return {transpose(in(0), i.axis, i.to)};
    case Kind::reshape:
      return {reshape(in(0), i.shape)};
    case Kind::split: {
      auto pieces = split<2>(in(0), i.axis);
      return {pieces[0], pieces[1]};
    }
    case Kind::expand:
      return {expand(in(0), i.shape)};
    case Kind::contiguous:
      return {contiguous(in(0))};
    case Kind::stack:
    case Kind::concat: {
      std::vector<Tensor> parts;
      for (const std::size_t k : i.operands) parts.push_back(v[k]);
      return {i.kind == Kind::stack ? stack(parts, i.axis) : concat(parts, i.axis)};
    }
    case Kind::tanh:
      return {tanh(in(0))};
    case Kind::add:
      return {in(0) + in(1)};
    case Kind::sub:
      return {in(0) - in(1)};
    case Kind::mul:
      return {in(0) * in(1)};
    case Kind::scale:
      return {in(0) * 0.7};
    case Kind::gate: {
      auto both = pointwise(gate_cell, in(0), in(1), in(2));
      return {both[0], both[1]};
    }
    case Kind::matmul:
      return {matmul(in(0), in(1))};
    case Kind::affine:
    case Kind::affine_sum:
      return {affine(in(0), in(1), in(2))};
    case Kind::embedding:
      return {embedding(in(0), i.ids)};
    case Kind::sum:
      return {sum(in(0), i.axis, {.keepdim = i.from == 1})};
    case Kind::mean:
      return {mean(in(0), i.axis, {.keepdim = i.from == 1})};
    case Kind::softmax:
      return {softmax(in(0), i.axis)};
    case Kind::cross_entropy:
      return {cross_entropy(in(0), i.ids, {.ignore_index = 1, .reduction = Reduction::none})};
    case Kind::registered:
      break;
  }
  std::vector<Tensor> operands;
  for (const std::size_t k : i.operands) operands.push_back(v[k]);
  return {i.call(operands)};
}

const char* name_of(Kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

}  // namespace unroll::test
