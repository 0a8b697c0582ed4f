#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/gradcheck_session.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/ops/arithmetic.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

// Passes that differ by less are not wrong but computed in f32 on the way.
constexpr double rounded = 1e-5;

double largest(const Numbers& numbers) {
  double most = 0;
  for (const double v : numbers) most = std::max(most, std::abs(v));
  return most;
}

}  // namespace

void Gradcheck::add(const char* check, std::size_t input, Index element, double found,
                    double expected, GradcheckCause cause, const char* note) {
  const Problem::Input& in = first_.inputs()[input];
  const double size = std::max(std::abs(found), std::abs(expected));
  report_.findings_.push_back({.check = check,
                               .input = in.name,
                               .shape = in.shape,
                               .index = index_of(element, in.shape),
                               .analytic = found,
                               .numeric = expected,
                               .relative_error = size > 0 ? std::abs(found - expected) / size : 0,
                               .cause = cause,
                               .note = note});
}

// A rule may cancel inside: its roundings are beside what would change f by a hundredth of what it
// is.
double Gradcheck::least(std::size_t input) const {
  return 1e-2 * largest(base_) / first_.inputs()[input].scale;
}

void Gradcheck::expect_close(const char* check, const char* note, std::span<const Tensor> a,
                             std::span<const Tensor> b, double allowed, GradcheckCause cause) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Numbers p = first_.numbers(a[i], i);
    const Numbers q = first_.numbers(b[i], i);
    const double size = std::max({largest(p), largest(q), least(i)});
    Index wrong = 0;
    std::size_t worst = 0;
    double most = 0;
    for (std::size_t j = 0; j < p.size(); ++j) {
      const bool same = p[j] == q[j] || (std::isnan(p[j]) && std::isnan(q[j]));
      if (same) continue;
      const double apart = std::abs(p[j] - q[j]);
      if (apart <= allowed * size) continue;
      ++wrong;
      if (std::isnan(most) || apart <= most) continue;
      most = apart;
      worst = j;
    }
    if (wrong == 0) continue;
    add(check, i, static_cast<Index>(worst), q[worst], p[worst],
        cause == GradcheckCause::wrong_derivative && most < rounded * size
            ? GradcheckCause::precision
            : cause,
        note);
    report_.findings_.back().wrong = wrong;
    report_.findings_.back().of = std::ssize(p);
  }
}

// What differs from pass to pass can be compared with nothing else.
bool Gradcheck::is_repeatable() {
  if (base_.empty()) return true;
  first_.check_dependence(base_);
  Rng rng = Rng(options_.seed).split("passes");
  Recorded recorded(checked_, first_.point());
  first_.count_evaluation();
  check_repeat(recorded, random_weights(rng));
  report_.hooked_ = recorded.hooked();
  return report_.ok();
}

void Gradcheck::check_repeat(Recorded& recorded, const Numbers& w) {
  const Tensor upstream = vector_of(w);
  const auto once = recorded.gradient(upstream);
  const auto again = recorded.gradient(upstream);
  expect_close("repeat", "two backward passes of one recording", once, again, 0,
               GradcheckCause::not_deterministic);
  Recorded anew(checked_, first_.point());
  first_.count_evaluation();
  expect_close("repeat", "backward passes of two recordings", once, anew.gradient(upstream), 0,
               GradcheckCause::not_deterministic);
  if (!recorded.reaches_any()) return;
  auto of_parameters = once;
  const auto by_backward = recorded.backward(upstream);
  for (std::size_t i = 0; i < of_parameters.size(); ++i)
    if (!first_.inputs()[i].is_parameter || !by_backward[i].defined()) of_parameters[i] = {};
  expect_close("repeat", "Tape::gradient, and Tape::backward of the same", of_parameters,
               by_backward, 1e-12, GradcheckCause::wrong_derivative);
}

void Gradcheck::check_linear(Recorded& recorded, const Numbers& w) {
  const auto once = recorded.gradient(vector_of(w));
  const auto none = recorded.gradient(vector_of(Numbers(w.size(), 0.0)));
  for (std::size_t i = 0; i < none.size(); ++i) {
    const Numbers zero = first_.numbers(none[i], i);
    const auto at = std::find_if(zero.begin(), zero.end(), [](double v) { return v != 0; });
    // Where a derivative is infinite there is nothing to be linear.
    if (at == zero.end() || !std::isfinite(largest(first_.numbers(once[i], i)))) continue;
    add("zero upstream", i, at - zero.begin(), *at, 0, GradcheckCause::wrong_derivative,
        "the gradient where 0 comes from above");
  }
  Rng rng = Rng(options_.seed).split("linear");
  const Numbers v = random_weights(rng);
  Numbers combined = w;
  for (std::size_t k = 0; k < w.size(); ++k) combined[k] = w[k] - 3 * v[k];
  const auto other = recorded.gradient(vector_of(v));
  const auto together = recorded.gradient(vector_of(combined));
  std::vector<Tensor> expected(once.size());
  for (std::size_t i = 0; i < once.size(); ++i)
    if (once[i].defined()) expected[i] = once[i] - 3.0 * other[i];
  // Beside the parts: their difference may cancel.
  for (std::size_t i = 0; i < once.size(); ++i) {
    if (!once[i].defined()) continue;
    const Numbers p = numbers_of(expected[i]);
    const Numbers q = numbers_of(together[i]);
    const double size =
        std::max(largest(numbers_of(once[i])) + 3 * largest(numbers_of(other[i])), least(i));
    for (std::size_t j = 0; j < p.size(); ++j) {
      if (std::abs(p[j] - q[j]) <= 1e-9 * size || !std::isfinite(size)) continue;
      add("linearity", i, static_cast<Index>(j), q[j], p[j],
          std::abs(p[j] - q[j]) < rounded * size ? GradcheckCause::precision
                                                 : GradcheckCause::wrong_derivative,
          "the gradient for u - 3v from above, and that for u less three times that for v");
      break;
    }
  }
}

void Gradcheck::check_recorded(Recorded& recorded, const Numbers& w) {
  const auto in_place = recorded.gradient(vector_of(w));
  std::vector<Tensor> differentiable;
  try {
    differentiable = recorded.gradient(vector_of(w), true);
  } catch (const Error&) {
    if (options_.order == 2) throw;
    return;  // a rule that cannot be recorded is enough for first derivatives
  }
  expect_close("recorded", "the gradient with {.differentiable = true}, and the one without",
               in_place, differentiable, 1e-10, GradcheckCause::wrong_derivative);
}

void Gradcheck::check_alone(const Numbers& w) {
  std::ptrdiff_t watched = 0;
  for (const Problem::Input& input : first_.inputs()) watched += input.is_parameter ? 0 : 1;
  if (watched < 2) return;
  Recorded all(checked_, first_.point());
  const auto expected = all.gradient(vector_of(w));
  std::ptrdiff_t number = 0;
  for (std::size_t i = 0; i < first_.inputs().size(); ++i) {
    if (first_.inputs()[i].is_parameter) continue;
    Recorded one(checked_, first_.point(), {.alone = number++});
    first_.count_evaluation();
    const auto found = one.gradient(vector_of(w));
    std::vector<Tensor> a(expected.size()), b(expected.size());
    a[i] = expected[i];
    b[i] = found[i];
    expect_close("alone",
                 "the gradient where the other inputs are constants, and where they are not", a, b,
                 1e-10, GradcheckCause::wrong_derivative);
  }
}

void Gradcheck::check_passes() {
  if (base_.empty()) return;
  Rng rng = Rng(options_.seed).split("passes");
  const Numbers w = random_weights(rng);
  {
    Recorded recorded(checked_, first_.point());
    first_.count_evaluation();
    const Numbers values = numbers_of(recorded.values());
    const double size = largest(base_);
    for (std::size_t k = 0; k < values.size(); ++k)
      if (!(std::abs(values[k] - base_[k]) <= 1e-10 * size)) {
        report_.findings_.push_back({.check = "repeat",
                                     .output = {static_cast<Index>(k)},
                                     .analytic = values[k],
                                     .numeric = base_[k],
                                     .relative_error = std::abs(values[k] - base_[k]) / size,
                                     .cause = GradcheckCause::not_deterministic,
                                     .note = "values with and without a watched input"});
        break;
      }
    check_linear(recorded, w);
    check_recorded(recorded, w);
  }
  check_alone(w);
  check_layout(w);
  if (options_.order == 2 && report_.ok()) check_forward(w);
  if (options_.single_precision && report_.ok()) check_single(w);
}

}  // namespace unroll::detail
