#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/detail/state_reader.h>

#include <cmath>
#include <utility>

namespace unroll::optim::detail {

Tensor copy_of(const Tensor& x) {
  Tensor copy = unroll::detail::empty(x.shape(), x.dtype());
  unroll::detail::copy_elements(x, copy);
  return copy;
}

Tensor saved(double value) { return full({}, value, f64); }
Tensor saved(Index value) { return full({}, static_cast<double>(value), i64); }

std::string UniqueNames::of(const Tensor& parameter) {
  std::string path = unroll::detail::leaf_path(*parameter.header());
  const Index count = ++seen_[path];
  return count == 1 ? path : path + "#" + std::to_string(count);
}

StateReader::StateReader(std::span<const StateEntry> entries) {
  for (const StateEntry& e : entries)
    if (!left_.emplace(e.name, e.tensor).second) complain(e.name + " is there twice");
}

Tensor StateReader::take(const std::string& name, const Shape& shape, DType dtype) {
  const auto found = left_.find(name);
  if (found == left_.end()) {
    complain(name + " is missing");
    return {};
  }
  Tensor tensor = std::move(found->second);
  left_.erase(found);
  if (tensor.defined() && tensor.shape() == shape && tensor.dtype() == dtype) return tensor;
  complain(name + " is " + describe(tensor) + " instead of " + std::string(name_of(dtype)) + " " +
           to_string(shape));
  return {};
}

double StateReader::take_number(const std::string& name, double least) {
  const Tensor tensor = take(name, {}, f64);
  if (!tensor.defined()) return 0;
  const double value = tensor.item();
  if (!(value >= least && std::isfinite(value))) complain(name + " is " + number_text(value));
  return value;
}

Index StateReader::take_count(const std::string& name) {
  const Tensor tensor = take(name, {}, i64);
  if (!tensor.defined()) return 0;
  const auto value = tensor.item<Index>();
  if (value < 0) complain(name + " is " + std::to_string(value));
  return value;
}

void StateReader::finish(const char* operation, const char* whose) {
  for (const auto& [name, tensor] : left_) complain(name + " is unknown here");
  if (!wrong_.empty())
    fail_nowhere(operation,
                 {.given = "state of another " + std::string(whose) + ": " + wrong_,
                  .needed = "what state() returned",
                  .hint = "make " + std::string(whose) + " with the same options first"});
}

}  // namespace unroll::optim::detail
