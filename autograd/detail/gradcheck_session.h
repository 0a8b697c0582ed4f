#pragma once

#include <unroll/autograd/detail/gradcheck_compare.h>
#include <unroll/autograd/detail/gradcheck_problem.h>
#include <unroll/autograd/gradcheck.h>

namespace unroll::detail {

// One call of gradcheck: what is checked in turn, and the report.
class Gradcheck {
 public:
  Gradcheck(CheckedFunction& checked, const GradcheckOptions& options)
      : checked_(checked), options_(options), first_(checked) {}

  GradcheckReport run();

 private:
  bool is_deterministic();
  bool is_repeatable();
  void compare(Problem& problem, const char* check, double& worst);
  void check_second_order();
  void explain_findings();

  // What must hold of backward passes among themselves.
  void check_passes();
  void check_repeat(Recorded& recorded, const Numbers& w);
  void check_linear(Recorded& recorded, const Numbers& w);
  void check_recorded(Recorded& recorded, const Numbers& w);
  void check_alone(const Numbers& w);
  void check_layout(const Numbers& w);
  void check_forward(const Numbers& w);
  void check_single(const Numbers& w);
  Numbers random_weights(Rng& rng) const;
  double least(std::size_t input) const;
  // Adds a finding where an element of b is not what it is in a, to `allowed` beside the largest.
  void expect_close(const char* check, const char* note, std::span<const Tensor> a,
                    std::span<const Tensor> b, double allowed, GradcheckCause cause);
  void add(const char* check, std::size_t input, Index element, double found, double expected,
           GradcheckCause cause, const char* note);

  CheckedFunction& checked_;
  const GradcheckOptions& options_;
  FirstOrder first_;
  Numbers base_;
  GradcheckReport report_;
};

}  // namespace unroll::detail
