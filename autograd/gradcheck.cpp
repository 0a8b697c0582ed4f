#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradcheck_session.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/explain.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

[[noreturn]] void fail_not_finite(const Problem& problem, std::size_t at, double value) {
  std::size_t r = problem.results().size() - 1;
  while (problem.results()[r].from > static_cast<Index>(at)) --r;
  const Problem::Result& result = problem.results()[r];
  fail_nowhere("gradcheck",
               {.given = "the function returns " + std::string(std::isnan(value) ? "NaN" : "Inf") +
                         " at " + index_text(static_cast<Index>(at) - result.from, result.shape) +
                         " of f64 " + to_string(result.shape),
                .needed = "finite values at the point",
                .hint = "Tape tape({.check_finite = true}) finds where it began"});
}

}  // namespace

bool Gradcheck::is_deterministic() {
  base_ = first_.first_values();
  for (std::size_t k = 0; k < base_.size(); ++k)
    if (!std::isfinite(base_[k])) fail_not_finite(first_, k, base_[k]);
  for (int again = 0; again < 2; ++again) {
    const Numbers y = first_.first_values();
    for (std::size_t k = 0; k < y.size(); ++k) {
      if (y[k] == base_[k]) continue;
      const double size = std::max(std::abs(y[k]), std::abs(base_[k]));
      report_.findings_.push_back({.check = "repeat",
                                   .output = {static_cast<Index>(k)},
                                   .analytic = y[k],
                                   .numeric = base_[k],
                                   .relative_error = std::abs(y[k] - base_[k]) / size,
                                   .cause = GradcheckCause::not_deterministic,
                                   .note = "values of two evaluations at one point"});
      return false;
    }
  }
  return true;
}

void Gradcheck::compare(Problem& problem, const char* check, double& worst) {
  Comparison comparison(problem, options_, check);
  if (options_.progress) {
    const double parts = options_.order == 2 ? 2 : 1;
    const double done = &problem == &first_ ? 0 : 1;
    comparison.progress = [this, parts, done](double fraction) {
      options_.progress((done + fraction) / parts);
    };
  }
  comparison.run();
  for (GradcheckFinding& f : comparison.findings) report_.findings_.push_back(std::move(f));
  worst = std::max(worst, comparison.worst);
  report_.compared_ += comparison.compared;
  report_.sampled_ += comparison.sampled;
}

GradcheckReport Gradcheck::run() {
  report_.inputs_ = std::ssize(first_.inputs());
  if (is_deterministic() && is_repeatable()) {
    compare(first_, "gradient", report_.worst_first_);
    check_passes();
    if (options_.order == 2 && report_.ok()) check_second_order();
  }
  if (!report_.ok()) explain_findings();
  report_.evaluations_ = first_.evaluations();
  return std::move(report_);
}

// Which operation is wrong first. Whatever goes wrong here takes nothing from the report.
void Gradcheck::explain_findings() {
  const Explanation why = [&] {
    try {
      return explain(
          checked_,
          {.order = options_.order, .training = options_.training, .seed = options_.seed});
    } catch (const Error&) {
      return Explanation{};
    }
  }();
  if (!why.found && why.fault != Fault::cut) return;
  report_.explanation_ = why.text();
  for (GradcheckFinding& f : report_.findings_)
    if (!f.sweep.empty()) f.step = why.step;
}

void Gradcheck::check_second_order() {
  Rng rng = Rng(options_.seed).split("upstream");
  SecondOrder second(first_, random_weights(rng));
  compare(second, "second order", report_.worst_second_);
}

Numbers Gradcheck::random_weights(Rng& rng) const {
  Numbers w(base_.size());
  for (double& v : w) v = (rng.uniform() < 0.5 ? -1 : 1) * (0.5 + rng.uniform());
  return w;
}

GradcheckReport run_gradcheck(CheckedFunction checked, const GradcheckOptions& options) {
  check_options("gradcheck", options.order, options.relative, "{.relative = 1e-7}");
  if (std::min({options.entries, options.directions, options.rows}) < 0 ||
      (options.entries == 0 && options.directions == 0 && options.rows == 0))
    fail_nowhere("gradcheck", {.given = "entries " + std::to_string(options.entries) +
                                        ", directions " + std::to_string(options.directions) +
                                        ", rows " + std::to_string(options.rows),
                               .needed = "counts, not all of them 0",
                               .hint = "{.entries = 4096, .directions = 8, .rows = 8}"});
  checked.training = options.training;
  checked.seed = options.seed;
  prepare(checked);
  return Gradcheck(checked, options).run();
}

}  // namespace unroll::detail
