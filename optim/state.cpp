#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/detail/state_reader.h>
#include <unroll/optim/optimizer.h>

#include <cmath>
#include <utility>

namespace unroll::optim {
std::vector<std::string> Optimizer::names() const {
  detail::UniqueNames unique;
  std::vector<std::string> names;
  names.reserve(slots_.size());
  for (const Slot& slot : slots_) names.push_back(unique.of(slot.parameter));
  return names;
}

std::vector<StateEntry> Optimizer::state() const {
  std::vector<StateEntry> entries{{"lr", detail::saved(lr_)}, {"steps", detail::saved(steps_)}};
  const std::vector<std::string> name = names();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    entries.push_back({name[i] + ".steps", detail::saved(slot.steps)});
    if (slot.steps == 0) continue;
    const auto moment = detail::moment_names(plan(slot.group, lr_, 1).rule);
    for (std::size_t k = 0; k < moment.size(); ++k)
      entries.push_back({name[i] + "." + std::string(moment[k]), detail::copy_of(slot.moments[k])});
  }
  return entries;
}

void Optimizer::restore(std::span<const StateEntry> entries) {
  detail::StateReader reader(entries);
  const double lr = reader.take_number("lr", 0);
  const Index steps = reader.take_count("steps");
  std::vector<Slot> slots = slots_;
  const std::vector<std::string> name = names();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots[i];
    slot.steps = reader.take_count(name[i] + ".steps");
    slot.moments.clear();
    if (slot.steps == 0) continue;
    for (const std::string_view moment : detail::moment_names(plan(slot.group, lr_, 1).rule)) {
      const Tensor& p = slot.parameter;
      const Tensor saved = reader.take(name[i] + "." + std::string(moment), p.shape(), p.dtype());
      if (saved.defined()) slot.moments.push_back(detail::copy_of(saved));
    }
  }
  reader.finish(name_);
  lr_ = lr;
  steps_ = steps;
  slots_ = std::move(slots);
}

}  // namespace unroll::optim
