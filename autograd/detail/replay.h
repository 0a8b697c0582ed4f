#pragma once

#include <unroll/autograd/detail/checked_function.h>
#include <unroll/autograd/detail/observer.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/tape.h>

#include <limits>
#include <span>
#include <vector>

// Running a function again and again with the values of its tape moved a little. The result of
// every operation is noted and then replaced by what the first run had, plus a step along a fixed
// random direction. So in each replay every operation sees operands of which it is known how far
// they were moved, whatever the operations before it made of theirs, and one replay tells of all
// operations at once.
namespace unroll::detail {

class GradientPass;

// One value of the tape as the first run left it, in row-major order.
struct ReplayValue {
  std::vector<double> elements = {};
  std::vector<double> direction = {};  // what a step of 1 adds; empty: never moves, as in f32
  std::vector<Index> places = {};  // in memory; empty: one after another. Equal ones move alike.
  Index room = 0;                  // places there are

  Index place(std::size_t element) const {
    return places.empty() ? static_cast<Index>(element) : places[element];
  }
};

struct ReplayNode {
  const Operation* operation = nullptr;
  std::uint32_t first_output = 0;
  std::uint32_t outputs = 0;
  std::vector<std::uint32_t> inputs = {};
  std::vector<Shape> shapes = {};             // of them
  std::vector<std::uint64_t> constants = {};  // what the operands without history held
  std::uint64_t attributes = 0;
};

// Values that a replay moves: the elements that lie at the places given. In a replay of second order
// the result of an operation stands for the gradient that flows into it.
struct Move {
  std::uint32_t value = no_value;
  Index begin = 0;
  Index end = std::numeric_limits<Index>::max();
  double factor = 1;  // of the step
};

struct ReplayOptions {
  bool second_order = false;  // runs every derivative rule as well
  bool relative = false;  // moves every element by a share of itself; those that are 0 not at all
  std::uint64_t seed = 1;
};

struct Replayed {
  // Σ weight · (element - the first run's) over each result of an operation, before it is replaced.
  std::vector<double> change = {};
  // With second_order: the same over the gradients that each node's rule makes.
  std::vector<double> rule_change = {};
  std::vector<std::uint32_t> constants_changed =
      {};  // nodes that read a constant with other values
  std::vector<std::uint32_t> attributes_changed = {};  // or were given other numbers
  std::uint32_t same_nodes = 0;                   // up to here the same operations were recorded
  bool complete = true;                           // … and no other
  std::vector<std::vector<double>> kept = {};     // results of Replays::kept_node
  std::vector<std::vector<double>> results = {};  // of the function
};

class Replays : private Observer {
 public:
  // Runs f once. Its tape stays open, and the thread's innermost, until this ends.
  Replays(const CheckedFunction& f, const ReplayOptions& options);
  Replays(const Replays&) = delete;
  Replays& operator=(const Replays&) = delete;

  Replayed run(double step);                               // every value moves
  Replayed run(double step, std::span<const Move> moves);  // those alone
  // Only leaves move, and what operations make of that is left as it is.
  Replayed run_leaves(double step, std::span<const Move> leaves);

  std::uint32_t kept_node = no_value;  // whose results a replay gives back

  Recording& tape() const { return *tape_; }
  const std::vector<ReplayValue>& values() const { return values_; }
  const std::vector<ReplayNode>& nodes() const { return nodes_; }
  const std::vector<Tensor>& results() const { return results_; }
  Index runs() const { return runs_; }

  // The weight of an element in `change`, as the gradient that flows into the result.
  double weight(std::uint32_t value, std::size_t element) const;
  Tensor upstream(std::uint32_t value) const;
  // The direction in which replays of second order move that weight.
  double weight_direction(std::uint32_t value, std::size_t element) const;
  // The weight of an element of the gradient that a node's rule makes for an operand.
  double gradient_weight(std::uint32_t node, std::uint32_t value, std::size_t element) const;

 private:
  enum class Moving { none, all, chosen, leaves };
  struct LeafInPlace;

  void recorded(Recording& tape, std::span<Header* const> operands,
                std::span<Header* const> results) override;
  void note(Recording& tape, std::span<Header* const> operands, std::span<Header* const> results);
  bool compare(Recording& tape, std::span<Header* const> operands, std::uint32_t index);
  void run_rule(std::uint32_t index);
  void note_value(std::uint32_t value, const Header& header);
  double step_of(std::uint32_t value, Index place) const;
  void put(std::uint32_t value, Header& header) const;
  Replayed replay(double step, Moving moving, std::span<const Move> moves);

  const CheckedFunction& f_;
  ReplayOptions options_;
  EvaluationTape first_;
  Recording* tape_;
  std::vector<ReplayValue> values_;
  std::vector<ReplayNode> nodes_;
  std::vector<Tensor> results_;
  std::vector<std::vector<double>> result_elements_;
  Index runs_ = 0;

  // Of the replay that is under way.
  double step_ = 0;
  Moving moving_ = Moving::none;
  std::span<const Move> moves_;
  Replayed* now_ = nullptr;
  GradientPass* pass_ = nullptr;
};

}  // namespace unroll::detail
