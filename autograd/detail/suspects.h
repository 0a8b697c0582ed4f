#pragma once

#include <unroll/autograd/detail/local_rule.h>
#include <unroll/autograd/detail/replay.h>
#include <unroll/autograd/detail/slope.h>
#include <unroll/autograd/explain.h>

#include <vector>

namespace unroll::detail {

// A derivative rule that differences contradict.
struct Suspect {
  Fault fault = Fault::none;
  std::uint32_t node = no_value;
  Rule rule = Rule::in_place;
  std::uint32_t only = no_value;  // gradients flow into this result alone; no_value: into all
  Slope slope = {};
  double predicted = 0;
};

// What is found by comparing the rules of all operations with replays.
struct Survey {
  std::vector<Suspect> suspects = {};  // one for each node, the last node first
  std::vector<std::uint32_t> kinks = {};
  std::vector<std::uint32_t> cuts = {};      // read constants that depend on what was moved
  std::vector<std::uint32_t> unusable = {};  // no step gave numbers
  Index judged = 0;
  std::uint32_t same_nodes = no_value;  // later operations were not the same in every run
  bool deterministic = true;            // … of those at one point
};

class Surveyor {
 public:
  Surveyor(Replays& replays, const ExplainOptions& options)
      : replays_(replays), options_(options) {}

  // Of the nodes given.
  Survey survey(std::span<const std::uint32_t> nodes);
  // Fills in operand, element and derivative.
  enum class Verdict { wrong, right_after_all, depends_on_more };
  Verdict narrow(const Suspect& suspect, Explanation& explanation);

 private:
  struct Sides {
    std::vector<double> plus, minus;
  };
  std::uint32_t first_restless(const Replayed& still) const;
  bool is_f64(std::uint32_t node) const;
  bool is_finite(std::uint32_t node) const;
  void judge(RulePasses& passes, std::uint32_t node, Survey& to);
  void judge_second(RulePasses& passes, std::uint32_t node, Survey& to);
  LocalSecondOrder second_order_of(RulePasses& passes, std::uint32_t node) const;
  double size_of(std::uint32_t node, std::uint32_t only) const;
  Sides sides(std::uint32_t node, std::uint32_t only, bool second) const;
  std::vector<Tensor> upstream(std::uint32_t node, std::uint32_t only) const;
  bool is_wrong(double predicted, double terms, const Slope& slope) const;
  void enter(const Suspect& suspect, double terms, Survey& to);
  double measure_at(const Suspect& suspect, std::span<const Move> moves, double step);
  double measure(const Suspect& suspect, std::span<const Move> moves);
  bool holds(const Suspect& suspect, Move move, double predicted);
  void narrow_result(const Suspect& suspect, const Move& move, Explanation& explanation);

  Replays& replays_;
  ExplainOptions options_;
  std::vector<double> steps_ = falling_steps(9);
  std::vector<Replayed> plus_, minus_;
  Replayed still_;
};

}  // namespace unroll::detail
