#pragma once

#include <unroll/autograd/detail/difference.h>
#include <unroll/autograd/detail/gradcheck_problem.h>
#include <unroll/autograd/gradcheck.h>

#include <span>
#include <string>
#include <vector>

namespace unroll::detail {

double largest_finite(const Numbers& numbers);  // of the finite ones

// A direction in one input: all of its elements, or one of them.
struct Direction {
  std::size_t input = 0;
  Index element = -1;  // moved by the step itself; -1: by `numbers`
  Numbers numbers = {};
};

// Compares products of the Jacobian of a problem with differences, entry by entry where it is small
// and else along random directions, and makes findings of what disagrees.
class Comparison {
 public:
  Comparison(Problem& problem, const GradcheckOptions& options, std::string check);
  void run();

  std::vector<GradcheckFinding> findings = {};
  double worst = 0;
  Index compared = 0;
  Index sampled = 0;  // inputs that were not checked whole
  std::function<void(double)> progress = {};

 private:
  // Numbers that one direction is judged by: weights of the outputs, and what the rule says.
  struct Judged {
    std::span<const Numbers> weights;  // empty: each output on its own
    Numbers analytic = {};
    Numbers floor = {};  // of the size that a difference is seen beside
  };
  struct Wrong {
    Direction direction;
    Numbers weights = {};  // of outputs; empty: `output` alone
    Index output = -1;
    double analytic = 0;
    LineSlope numeric = {};
    double relative = 0;
    double apart = -1;  // of a part of a direction; negative: it is right
  };

  void check_whole(std::size_t input);
  void check_sampled(std::size_t input);
  Direction random_direction(std::size_t input);
  Numbers random_weights();
  LineSlopes slopes(const Direction& d, const Judged& judged);
  // Numbers of a direction that are wrong; keeps account.
  void judge(const Direction& d, const Judged& judged, std::vector<Wrong>& wrong);
  AlongLine line(const Direction& d, std::span<const Numbers> weights);
  LineScale scale_of(const Direction& d, std::span<const Numbers> weights) const;
  double floor_of(std::size_t input);
  Verdict verdict(double analytic, double floor, const LineSlope& s, double trust) const;

  Wrong part_of(const Wrong& whole, const Numbers& w, const Numbers& gradient, std::size_t from,
                std::size_t to);
  void narrow(Wrong& wrong);         // a direction to an element
  void narrow_output(Wrong& wrong);  // a weighted sum to an output
  GradcheckFinding finding(const Wrong& wrong, Index count, Index of);
  void classify(const Wrong& wrong, GradcheckFinding& finding);
  void soften(GradcheckFinding& finding, std::span<const Wrong> wrong) const;
  bool changes_nothing(std::size_t input);
  void check_grain(std::size_t input);
  Numbers weights_of(const Wrong& wrong) const;

  Problem& problem_;
  const GradcheckOptions& options_;
  std::string check_;
  Rng rng_;
  Numbers base_;
  std::vector<double> floors_;              // of inputs, where asked for
  std::vector<std::vector<Numbers>> rows_;  // of each output: its gradient with respect to inputs
  std::vector<Numbers> weights_;            // random ones, and of single outputs
  std::vector<std::vector<Numbers>> weighted_;  // the gradients of these
};

}  // namespace unroll::detail
