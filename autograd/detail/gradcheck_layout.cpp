#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/gradcheck_session.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/ops/views.h>

#include <cmath>

namespace unroll::detail {

// Gradients come as views of other tensors' memory, and so do inputs. A function may refuse such
// inputs; a rule has no choice.
void Gradcheck::check_layout(const Numbers& w) {
  Recorded plain(checked_, first_.point());
  const auto expected = plain.gradient(vector_of(w));
  const Tensor upstream = with_gaps(reshape(vector_of(w), plain.values().shape()));
  std::vector<Tensor> found;
  try {
    found = plain.gradient(upstream);
  } catch (const Error& e) {
    report_.findings_.push_back(
        {.check = "layout",
         .analytic = std::nan(""),
         .relative_error = 1,
         .cause = GradcheckCause::wrong_derivative,
         .note = "a gradient from above whose elements do not lie one after "
                 "another is refused: " +
                 std::string(e.what())});
    return;
  }
  expect_close("layout", "the gradient from above is a view with gaps, or dense", expected, found,
               1e-10, GradcheckCause::wrong_derivative);
  try {
    Recorded apart(checked_, first_.point(), {.gaps = true});
    first_.count_evaluation();
    found = apart.gradient(vector_of(w));
  } catch (const Error&) {
    return;
  }
  expect_close("layout", "the gradient where inputs are views with gaps, and where they are dense",
               expected, found, 1e-10, GradcheckCause::wrong_derivative);
}

// ⟨w, J·v⟩ = ⟨Jᵀ·w, v⟩, where J·v is made by differentiating the backward pass.
void Gradcheck::check_forward(const Numbers& w) {
  Recorded recorded(checked_, first_.point());
  if (!recorded.reaches_any()) return;
  Rng rng = Rng(options_.seed).split("forward");
  const auto gradient = recorded.gradient(vector_of(w));
  std::vector<Numbers> v;
  long double reverse = 0;
  double squares = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const Numbers g = first_.numbers(gradient[i], i);
    v.emplace_back();
    for (const double of_gradient : g) {
      v.back().push_back((rng.uniform() < 0.5 ? -1 : 1) * (0.5 + rng.uniform()));
      const double part = of_gradient * v.back().back();
      reverse += part;
      squares += part * part;
    }
  }
  const Numbers forward = recorded.forward(v);
  long double product = 0;
  for (std::size_t k = 0; k < w.size(); ++k) {
    product += static_cast<long double>(w[k]) * static_cast<long double>(forward[k]);
    squares += w[k] * forward[k] * w[k] * forward[k];
  }
  const auto a = static_cast<double>(product);
  const auto b = static_cast<double>(reverse);
  const double size = std::sqrt(squares);
  if (std::abs(a - b) <= 1e-10 * size || !std::isfinite(size)) return;
  report_.findings_.push_back(
      {.check = "forward against reverse",
       .analytic = a,
       .numeric = b,
       .relative_error = std::abs(a - b) / size,
       .cause = a == 0 ? GradcheckCause::missing : GradcheckCause::wrong_derivative,
       .note = "products of the Jacobian from both sides; the backward pass "
               "cannot be differentiated with respect to what comes from "
               "above"});
}

}  // namespace unroll::detail
