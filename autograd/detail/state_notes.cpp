#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/state_notes.h>

#include <algorithm>

namespace unroll::detail {
namespace {

Recording* tape_to_tell() {
  Recording* const tape = tapes.current;
  return tape != nullptr && !tape->recomputed.replaying() ? tape : nullptr;
}

}  // namespace

void note_run(Index layer, bool reversed) {
  Recording* const tape = tape_to_tell();
  if (tape == nullptr) return;
  const std::uint32_t path = tape->current_path();
  auto& runs = tape->notes.runs;
  if (runs.size() <= path) runs.resize(path + 1);
  runs[path] = {.layer = static_cast<std::int32_t>(layer), .reversed = reversed};
}

StateNotes::StateNotes() : tape_(tape_to_tell()) {
  if (tape_ != nullptr) end_step();
}

bool StateNotes::find_names(const void* type, std::size_t count) {
  for (const auto& kind : tape_->notes.state_kinds)
    if (kind.type == type && kind.names.size() == count) {
      names_ = kind.names;
      return true;
    }
  return false;
}

void StateNotes::enter_names(const void* type, std::span<const std::string> names) {
  constexpr std::size_t most_kinds = 16;  // a state may have any number of tensors
  GraphNotes& notes = tape_->notes;
  names_.clear();
  for (const std::string& name : names) {
    const auto found = std::find(notes.state_names.begin(), notes.state_names.end(), name);
    names_.push_back(static_cast<std::uint32_t>(found - notes.state_names.begin()));
    if (found == notes.state_names.end()) notes.state_names.push_back(name);
  }
  if (notes.state_kinds.size() < most_kinds)
    notes.state_kinds.push_back({.type = type, .names = names_});
}

void StateNotes::put(const Tensor& x, std::uint32_t name) {
  if (!x.defined()) return;
  const Header& h = *x.header();
  if (h.tape == tape_->serial && h.value >= first_new_)
    tape_->notes.states.push_back({.value = h.value, .name = name});
}

void StateNotes::end_step() { first_new_ = static_cast<std::uint32_t>(tape_->values.size()); }

}  // namespace unroll::detail
