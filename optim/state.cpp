#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/optimizer.h>

#include <cmath>
#include <map>
#include <utility>

namespace unroll::optim {
namespace {

Tensor copy_of(const Tensor& x) {
  Tensor copy = unroll::detail::empty(x.shape(), x.dtype());
  unroll::detail::copy_elements(x, copy);
  return copy;
}

// A saved list by name, and all that is wrong with it.
class Reader {
 public:
  explicit Reader(std::span<const StateEntry> entries) {
    for (const StateEntry& e : entries)
      if (!left_.emplace(e.name, e.tensor).second) complain(e.name + " is there twice");
  }

  // The tensor of a name if it is there and fits, else undefined.
  Tensor take(const std::string& name, const Shape& shape, DType dtype) {
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
  // A number, not less than `least`.
  double take_number(const std::string& name, DType dtype, double least) {
    const Tensor tensor = take(name, {}, dtype);
    if (!tensor.defined()) return least;
    const double value = tensor.item();
    if (!(value >= least && std::isfinite(value)))
      complain(name + " is " + detail::number_text(value));
    return value;
  }
  void finish(const char* operation) {
    for (const auto& [name, tensor] : left_) complain(name + " is of no parameter here");
    if (!wrong_.empty())
      fail_nowhere(operation, {.given = "state of another optimiser or model: " + wrong_,
                               .needed = "what state() returned",
                               .hint = "make model and optimiser with the same options first"});
  }

 private:
  void complain(const std::string& what) { wrong_ += (wrong_.empty() ? "" : ", ") + what; }

  std::map<std::string, Tensor> left_;
  std::string wrong_;
};

}  // namespace

// Paths are unique within a model only: of two models, "W" and "W#2".
std::vector<std::string> Optimizer::names() const {
  std::map<std::string, Index> seen;
  std::vector<std::string> names;
  for (const Slot& slot : slots_) {
    const std::string path = unroll::detail::leaf_path(*slot.parameter.header());
    const Index count = ++seen[path];
    names.push_back(count == 1 ? path : path + "#" + std::to_string(count));
  }
  return names;
}

std::vector<StateEntry> Optimizer::state() const {
  std::vector<StateEntry> entries{{"lr", full({}, lr_, f64)},
                                  {"steps", full({}, static_cast<double>(steps_), i64)}};
  const std::vector<std::string> name = names();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    entries.push_back({name[i] + ".steps", full({}, static_cast<double>(slot.steps), i64)});
    if (slot.steps == 0) continue;
    const auto moment = detail::moment_names(plan(slot.group, lr_, 1).rule);
    for (std::size_t k = 0; k < moment.size(); ++k)
      entries.push_back({name[i] + "." + std::string(moment[k]), copy_of(slot.moments[k])});
  }
  return entries;
}

void Optimizer::restore(std::span<const StateEntry> entries) {
  Reader reader(entries);
  const double lr = reader.take_number("lr", f64, 0);
  const double steps = reader.take_number("steps", i64, 0);
  std::vector<Slot> slots = slots_;
  const std::vector<std::string> name = names();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots[i];
    slot.steps = static_cast<Index>(reader.take_number(name[i] + ".steps", i64, 0));
    slot.moments.clear();
    if (slot.steps == 0) continue;
    for (const std::string_view moment : detail::moment_names(plan(slot.group, lr_, 1).rule)) {
      const Tensor& p = slot.parameter;
      const Tensor saved = reader.take(name[i] + "." + std::string(moment), p.shape(), p.dtype());
      if (saved.defined()) slot.moments.push_back(copy_of(saved));
    }
  }
  reader.finish(name_);
  lr_ = lr;
  steps_ = static_cast<Index>(steps);
  slots_ = std::move(slots);
}

}  // namespace unroll::optim
