#include <unroll/autograd/operation.h>
#include <unroll/unroll.h>

#include <map>

#include "check_variants/operation_variants.h"
#include "row.h"

namespace gradcheck_tool {
namespace {

using unroll::checks::is_watched;

// The same values where elements do not lie one after another.
Tensor with_gaps(const Tensor& x) {
  return unroll::select(unroll::stack({unroll::zeros_like(x), x}, x.rank()), -1, 1);
}

// A gradient that is 0 but for rounding, as of a softmax of equal numbers, gets one of usual size
// beside it, so that it is not judged by its own.
Tensor beside_squares(const Tensor& y, std::span<const Tensor> inputs) {
  std::vector<Tensor> parts{reshape(y, {y.size()})};
  for (const Tensor& x : inputs) parts.push_back(reshape(x * x, {x.size()}));
  return unroll::concat(parts, 0);
}

// Constants of the variant and ids are no inputs of the subject.
Subject subject_of(const unroll::checks::Variant& v) {
  Subject subject;
  for (std::size_t i = 0; i < v.leaves.size(); ++i)
    if (is_watched(v, i)) subject.inputs.push_back(v.leaves[i]);
  subject.f = [v](std::span<const Tensor> inputs) {
    // The check in f32 has constants in f32, too.
    const unroll::DType dtype = inputs[0].dtype();
    std::vector<Tensor> operands = v.leaves;
    std::size_t next = 0;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (is_watched(v, i))
        operands[i] = v.gaps ? with_gaps(inputs[next++]) : inputs[next++];
      else if (unroll::is_floating(operands[i].dtype()))
        operands[i] = operands[i].to(dtype);
    }
    const Tensor y = v.scale == 1 ? v.f(operands) : beside_squares(v.f(operands), inputs);
    return v.gaps ? with_gaps(y) : y;  // the gradient that y gets has gaps
  };
  return subject;
}

// A name for each variant of a row, so that it can be asked for: "x, gaps", "x, gaps (2)".
void make_names_unique(Row& row) {
  std::map<std::string, int> seen;
  for (Variant& v : row.variants)
    if (const int times = ++seen[v.name]; times > 1) v.name += " (" + std::to_string(times) + ")";
}

bool has_inputs(const unroll::checks::Variant& v) {
  for (std::size_t i = 0; i < v.leaves.size(); ++i)
    if (is_watched(v, i)) return true;
  return false;
}

}  // namespace

std::vector<Row> operation_rows(std::uint64_t seed) {
  std::vector<Row> rows;
  for (const unroll::Operation* operation : unroll::registered_operations()) {
    Row row{.kind = "operation", .name = operation->name, .variants = {}};
    if (operation->check != nullptr) {
      const unroll::Check check = operation->check();
      unroll::Rng rng = unroll::Rng(seed).split(operation->name);
      for (auto& v : unroll::checks::variants_of(check, rng)) {
        if (!has_inputs(v)) continue;
        row.variants.push_back({.name = v.name,
                                .make = [v] { return subject_of(v); },
                                .second_order = check.second_order,
                                .single_precision = v.alone && v.scale == 1});
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> all_rows(std::uint64_t seed) {
  std::vector<Row> rows = operation_rows(seed);
  for (const auto& more : {cell_rows(), wrapper_rows(), layer_rows(), module_rows(), loss_rows()})
    rows.insert(rows.end(), more.begin(), more.end());
  for (Row& row : rows) make_names_unique(row);
  return rows;
}

}  // namespace gradcheck_tool
