#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/optim/detail/flat.h>
#include <unroll/optim/detail/line_search.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/detail/state_reader.h>
#include <unroll/optim/lbfgs.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace unroll::optim {
namespace {

using detail::is_frozen;
using detail::LinePoint;
using detail::path_and_type;

constexpr const char* name = "lbfgs";

void require(bool holds, const char* option, double value, const char* needed) {
  if (!holds)
    fail_nowhere(name, {.given = std::string(option) + " is " + detail::number_text(value),
                        .needed = needed,
                        .hint = {}});
}

}  // namespace

// The optimiser and its parameters as they are now, put back unless the step comes to its end.
class LBFGS::Restore {
 public:
  explicit Restore(LBFGS& owner) : owner_(owner), memory_(owner.memory_) {
    values_.reserve(owner.parameters_.size());
    for (const Tensor& p : owner.parameters_) values_.push_back(detail::copy_of(p));
  }
  ~Restore() {
    if (done_) return;
    owner_.memory_ = std::move(memory_);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const Tensor& p = owner_.parameters_[i];
      if (is_frozen(p)) continue;
      unroll::detail::copy_elements(values_[i], p);
      unroll::detail::mark_changed(p, "end of an L-BFGS step");
    }
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  void forget() { done_ = true; }

 private:
  LBFGS& owner_;
  Memory memory_;
  std::vector<Tensor> values_;
  bool done_ = false;
};

LBFGS::LBFGS(std::span<const Tensor> parameters, const LBFGSOptions& options)
    : options_(options), lr_(options.lr) {
  const LBFGSOptions& o = options_;
  require(o.lr > 0 && std::isfinite(o.lr), "lr", o.lr, "lr > 0");
  require(o.iterations > 0, "iterations", static_cast<double>(o.iterations), "iterations > 0");
  require(o.evaluations >= 0, "evaluations", static_cast<double>(o.evaluations),
          "evaluations >= 0");
  require(o.history > 0, "history", static_cast<double>(o.history), "history > 0");
  require(detail::is_amount(o.gradient_tolerance), "gradient_tolerance", o.gradient_tolerance,
          "gradient_tolerance >= 0");
  require(detail::is_amount(o.change_tolerance), "change_tolerance", o.change_tolerance,
          "change_tolerance >= 0");
  if (parameters.empty())
    fail_nowhere(
        name, {.given = "no parameters", .needed = "at least one", .hint = "model.parameters()"});
  for (const Tensor& p : parameters) {
    unroll::detail::require_defined(name, "a parameter", p);
    if (unroll::detail::leaf_info(*p.header()) == nullptr)
      fail_nowhere(name, {.given = unroll::describe(p) + " is not a parameter",
                          .needed = "parameters of modules",
                          .hint = "model.parameters()"});
    if (holds(p))
      fail_nowhere(name, {.given = path_and_type(p) + " is there twice",
                          .needed = "each parameter once",
                          .hint = "model.parameters().where(…) chooses by path"});
    parameters_.push_back(p);
    elements_ += p.size();
  }
}

bool LBFGS::holds(const Tensor& parameter) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const Tensor& p) { return p.header() == parameter.header(); });
}

void LBFGS::set_lr(double lr) {
  require(lr > 0 && std::isfinite(lr), "lr", lr, "lr > 0");
  lr_ = lr;
}

void LBFGS::check_parameters() const {
  for (const Tensor& p : parameters_)
    if (unroll::detail::leaf_info(*p.header())->current != p.header())
      fail_nowhere(
          name,
          {.given = path_and_type(p) + " has changed its dtype since the optimiser was given it",
           .needed = "the parameter as it was",
           .hint = "model.to(f64) first, then optim::LBFGS lbfgs(model.parameters())"});
}

void LBFGS::refuse(const Evaluation& evaluation) const {
  const char* hint = "Tape tape({.check_finite = true}) finds where it began";
  std::string given = "loss " + detail::number_text(evaluation.loss);
  for (const Gradients::Entry& entry : evaluation.gradients) {
    const Tensor& p = entry.parameter;
    if (!std::isfinite(evaluation.loss) || !holds(p)) continue;
    const Tensor dense = entry.is_sparse() ? to_dense(entry.sparse) : entry.dense;
    const unroll::detail::NonFinite found = unroll::detail::find_non_finite(dense);
    if (found.first < 0) continue;
    given =
        "gradient of " + path_and_type(p) + " has " + unroll::detail::describe(found, p.shape());
    break;
  }
  fail_nowhere(name,
               {.given = given, .needed = "finite values; nothing was changed", .hint = hint});
}

LBFGS::Vector LBFGS::values() const {
  Vector x;
  x.reserve(static_cast<std::size_t>(elements_));
  for (const Tensor& p : parameters_)
    visit_floating(p.dtype(), [&]<class T>(T) {
      const auto from = p.span<T>();
      x.insert(x.end(), from.begin(), from.end());
    });
  return x;
}

// Zeros where there is none, and for what is frozen.
LBFGS::Vector LBFGS::gathered(const Gradients& gradients) const {
  Vector g;
  g.reserve(static_cast<std::size_t>(elements_));
  for (const Tensor& p : parameters_) {
    const Gradients::Entry* entry = gradients.find(p);
    if (entry == nullptr || is_frozen(p)) {
      g.resize(g.size() + static_cast<std::size_t>(p.size()));
      continue;
    }
    const Tensor dense =
        unroll::detail::dense_copy(entry->is_sparse() ? to_dense(entry->sparse) : entry->dense);
    if (dense.shape() != p.shape() || dense.dtype() != p.dtype())
      fail_nowhere(name,
                   {.given = "gradient " + unroll::describe(dense) + " for " + path_and_type(p),
                    .needed = "the parameter's shape and dtype",
                    .hint = "tape.backward(loss) makes gradients that fit"});
    visit_floating(p.dtype(), [&]<class T>(T) {
      const auto from = dense.span<T>();
      g.insert(g.end(), from.begin(), from.end());
    });
  }
  return g;
}

void LBFGS::write(const Vector& x) {
  auto from = x.begin();
  for (const Tensor& p : parameters_) {
    if (!is_frozen(p)) {
      visit_floating(p.dtype(), [&]<class T>(T) {
        std::transform(from, from + p.size(), unroll::detail::data<T>(p),
                       [](double v) { return static_cast<T>(v); });
      });
      unroll::detail::mark_changed(p, "L-BFGS step", steps_ + 1);
    }
    from += p.size();
  }
}

// The pair that the last iteration made, now that the gradient at its end is known.
void LBFGS::remember(const Vector& gradient) {
  if (memory_.step.empty()) return;
  auto pair = std::make_shared<Pair>();
  pair->y = gradient;
  detail::add_scaled(-1, memory_.gradient, pair->y);
  pair->curvature = detail::dot(memory_.step, pair->y);
  if (pair->curvature > 1e-10) {
    pair->s = std::move(memory_.step);
    if (std::ssize(memory_.pairs) == options_.history) memory_.pairs.pop_front();
    memory_.pairs.push_back(std::move(pair));
  }
  memory_.step.clear();
}

// The two loops.
LBFGS::Vector LBFGS::direction(const Vector& gradient) const {
  const auto& pairs = memory_.pairs;
  Vector d(gradient.size());
  detail::add_scaled(-1, gradient, d);
  if (pairs.empty()) return d;
  std::vector<double> alpha(pairs.size());
  for (std::size_t i = pairs.size(); i-- > 0;) {
    alpha[i] = detail::dot(pairs[i]->s, d) / pairs[i]->curvature;
    detail::add_scaled(-alpha[i], pairs[i]->y, d);
  }
  const Pair& last = *pairs.back();
  const double gamma = last.curvature / detail::dot(last.y, last.y);
  for (double& v : d) v *= gamma;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const double beta = detail::dot(pairs[i]->y, d) / pairs[i]->curvature;
    detail::add_scaled(alpha[i] - beta, pairs[i]->s, d);
  }
  return d;
}

LBFGSResult LBFGS::step(const Closure& closure) {
  check_parameters();
  std::vector<bool> frozen;
  std::transform(parameters_.begin(), parameters_.end(), std::back_inserter(frozen), is_frozen);
  Restore restore(*this);
  if (memory_.frozen != frozen) memory_ = {.frozen = frozen};

  LBFGSResult result;
  Vector x = values();
  const auto evaluate = [&](const Vector* direction) {
    ++result.evaluations;
    const Evaluation e = closure();
    LinePoint point{.loss = e.loss, .gradient = gathered(e.gradients)};
    const bool finite =
        std::isfinite(e.loss) && std::isfinite(detail::sum_of_sizes(point.gradient));
    if (direction == nullptr) {
      if (!finite) refuse(e);
    } else {
      point.slope = finite ? detail::dot(point.gradient, *direction) : std::nan("");
    }
    return point;
  };
  LinePoint here = evaluate(nullptr);
  result.first_loss = here.loss;
  const Index most_evaluations =
      options_.evaluations > 0 ? options_.evaluations : options_.iterations * 5 / 4;
  result.converged = detail::largest_size(here.gradient) <= options_.gradient_tolerance;

  while (!result.converged && result.iterations < options_.iterations &&
         (result.iterations == 0 || result.evaluations < most_evaluations)) {
    ++result.iterations;
    remember(here.gradient);
    const Vector d = direction(here.gradient);
    memory_.gradient = here.gradient;
    const double first =
        memory_.started ? lr_ : lr_ * std::min(1.0, 1 / detail::sum_of_sizes(here.gradient));
    memory_.started = true;
    here.slope = detail::dot(here.gradient, d);
    here.t = 0;
    if (here.slope > -options_.change_tolerance) {
      result.converged = true;
      break;
    }

    const auto trial = [&](double t) {
      Vector moved = x;
      detail::add_scaled(t, d, moved);
      write(moved);
      LinePoint point = evaluate(&d);
      point.t = t;
      return point;
    };
    const double size = detail::largest_size(d);
    LinePoint next =
        options_.line_search == LineSearch::none
            ? trial(first)
            : detail::strong_wolfe(trial, here, first, options_.change_tolerance / size);
    if (!std::isfinite(next.loss) || !std::isfinite(next.slope))
      fail_nowhere(name, {.given = "no finite loss or gradient along the direction",
                          .needed = "one; nothing was changed",
                          .hint = "lbfgs.set_lr(0.1), or .line_search = LineSearch::strong_wolfe"});
    if (next.t == 0) {  // nothing lower was found
      memory_.pairs.clear();
      break;
    }
    detail::add_scaled(next.t, d, x);
    memory_.step.assign(d.size(), 0);
    detail::add_scaled(next.t, d, memory_.step);
    result.converged = detail::largest_size(next.gradient) <= options_.gradient_tolerance ||
                       next.t * size <= options_.change_tolerance ||
                       std::abs(next.loss - here.loss) < options_.change_tolerance;
    here = std::move(next);
  }
  write(x);
  result.loss = here.loss;
  ++steps_;
  restore.forget();
  return result;
}

}  // namespace unroll::optim
