#pragma once

#include <unroll/autograd/detail/state_names.h>
#include <unroll/autograd/state.h>

#include <span>
#include <string>
#include <vector>

namespace unroll::detail {

class Recording;

// Tells the tape that records, if one does, that the innermost module is the cell of a recurrent
// layer; reversed: it reads the sequence from its end.
void note_run(Index layer, bool reversed);

// Tells it which tensors are the states after the steps of a run, with the names of their fields.
// Two stores for each; a recorded part that runs again is not told again.
class StateNotes {
 public:
  StateNotes();

  // What was not recorded since the last call, or since this began, is a state of another step.
  template <class S>
  void note(const S& state) {
    if (tape_ != nullptr) note_step(state);
  }

 private:
  // Not inlined: a step is as fast as the code around it is short.
  template <class S>
  [[gnu::noinline]] void note_step(const S& state) {
    static constexpr char type = 0;  // its address
    std::size_t count = 0;
    for_each_tensor(state, [&](const Tensor&) { ++count; });
    if (names_.size() != count && !find_names(&type, count)) {
      std::vector<std::string> names;
      append_names(state, std::string(), names);
      enter_names(&type, names);
    }
    std::size_t i = 0;
    for_each_tensor(state, [&](const Tensor& x) { put(x, names_[i++]); });
    end_step();
  }
  bool find_names(const void* type, std::size_t count);
  void enter_names(const void* type, std::span<const std::string> names);
  void put(const Tensor& x, std::uint32_t name);
  void end_step();

  Recording* tape_;
  std::uint32_t first_new_ = 0;  // values from here on are made by this step
  std::vector<std::uint32_t> names_;
};

}  // namespace unroll::detail
