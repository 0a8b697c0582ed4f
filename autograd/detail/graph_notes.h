#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unroll::detail {

// What a recording knows beside its nodes, for graphs.
struct GraphNotes {
  static constexpr std::uint32_t none = 0xffffffffU;

  // A recurrent layer's run of a cell; layer -1: none.
  struct Run {
    std::int32_t layer = -1;
    bool reversed = false;
  };
  // A value that is a field of a recurrent state.
  struct State {
    std::uint32_t value;
    std::uint32_t name;
  };
  // The names of a type's tensors, in the order of for_each_tensor.
  struct StateKind {
    const void* type;
    std::vector<std::uint32_t> names;
  };

  std::vector<Run> runs;  // by path; may be shorter
  std::vector<State> states;
  std::vector<std::string> state_names;
  std::vector<StateKind> state_kinds;
  std::uint32_t loss = none;      // what backward() was last asked about, else gradient()
  bool loss_of_backward = false;  // which of the two

  std::vector<std::optional<double>> norms;  // of gradients, by value; may be shorter

  // Forgets values from the first that is taken back.
  void take_back(std::uint32_t values) noexcept {
    if (norms.size() > values) norms.resize(values);
    std::erase_if(states, [=](const State& s) { return s.value >= values; });
  }
  void clear() {  // names stay: they are the program's
    runs.clear();
    states.clear();
    norms.clear();
    loss = none;
    loss_of_backward = false;
  }
};

}  // namespace unroll::detail
