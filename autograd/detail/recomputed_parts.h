#pragma once

#include <unroll/autograd/detail/saved_block.h>
#include <unroll/autograd/rng.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace unroll {
struct Operation;
}

namespace unroll::detail {

class Recording;

// Parts of a recording that keep their structure but not what their nodes saved: it is made anew
// when a derivative rule is about to read it, by running the function that recorded the part once
// more. What that run would record is held against the nodes that are there, one after the other,
// and saved into them. So gradients take the very same way as without recomputation.
class RecomputedParts {
 public:
  // Runs the function; what it returns tells two runs apart.
  using Function = std::function<std::uint64_t()>;

  bool empty() const { return parts_.empty(); }
  // Whether operations are held against recorded nodes now.
  bool replaying() const { return replay_ != nullptr; }
  // Whether a function whose nodes are recomputed runs now, for the first time or again.
  bool running() const { return innermost_ != none; }

  // Around the run of a function, the first or another; returns the number of the part.
  std::uint32_t begin(const Recording& tape);
  void keeps(std::uint32_t part, const Header& input);  // what the function is called with
  void end(Recording& tape, std::uint32_t part, Function again, std::uint64_t fingerprint);
  void abandon(std::uint32_t part);  // it threw: what it recorded stays as it is

  // In place of a new node while replaying: the recorded one, which must be the same. Returns its
  // attributes.
  std::byte* match(Recording& tape, const Operation* operation,
                   std::span<const std::uint32_t> inputs, std::span<Header* const> saved,
                   std::size_t attribute_bytes, std::span<Header* const> outputs);

  // Before what a node saved is read. `keep`: the function may be needed once more.
  void fill(Recording& tape, std::uint32_t node, bool keep);
  // After a node was visited: where it is the first of a part, what that saved may go again.
  void leave(Recording& tape, std::uint32_t node, bool release);

  // Forgets parts that begin at a node or behind it.
  void take_back(std::size_t nodes);
  // Lets go of functions and inputs; what they were stays readable.
  void close();
  void clear();

  // Whether what a node saves is made anew, and so kept for no longer than that takes.
  bool recomputes(std::uint32_t node) const { return innermost_around(node) != none; }
  // Calls f(node, block) for each input that is kept, or was until the tape was closed; `node` is
  // the first of those that it is kept for. In ascending order.
  template <class F>
  void for_each_input(const F& f) const {
    for (const Part& p : parts_) {
      const bool held = p.again || p.state == State::running;
      if (p.begin == p.end || (p.outer != none && !held)) continue;
      for (SavedBlock block : p.inputs) {
        block.held = held;
        f(p.begin, block);
      }
    }
  }

 private:
  enum class State : std::uint8_t { running, released, filled };
  struct Part {
    std::uint32_t begin = 0;  // nodes
    std::uint32_t end = 0;
    std::uint32_t outer = none;  // the part that it is in
    State state = State::running;
    std::uint64_t random_operations = 0;
    Rng rng = {};
    std::uint64_t fingerprint = 0;
    std::vector<SavedBlock> inputs = {};
    Function again = {};  // none in a part within another that is released
  };
  struct Replay {
    std::uint32_t node;  // the next to be met
    std::uint32_t end;
    std::uint32_t next_part;  // that may begin
  };
  class Running;
  static constexpr std::uint32_t none = 0xffffffffU;

  std::uint32_t innermost_around(std::uint32_t node) const;
  void run_again(Recording& tape, std::uint32_t part, bool keep);
  void release(Recording& tape, std::uint32_t part);

  std::vector<Part> parts_;  // by their first node, outer ones first
  std::uint32_t innermost_ = none;
  Replay* replay_ = nullptr;
};

}  // namespace unroll::detail
