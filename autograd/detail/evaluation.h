#pragma once

#include <unroll/autograd/derivative_options.h>
#include <unroll/autograd/detail/state_names.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/autograd/per_parameter.h>
#include <unroll/autograd/state.h>
#include <unroll/autograd/tape.h>

#include <span>
#include <string>
#include <vector>

namespace unroll::detail {

class Recording;

// One evaluation of a function under a tape of its own, at a point made of tensors x, with results
// y; and the derivatives that are read from that recording. First watch(), then the function, then
// set_results() or set_loss(), then derivatives, each as values without history.
class Evaluation {
 public:
  Evaluation(const char* operation, const DerivativeOptions& options);

  // The point as leaves of the tape. Throws for i64 and for what a live tape is recording.
  template <class X>
  X watch(const X& x) {
    x_names_ = names_of(x, "x");
    X handles = map_tensors(x, [&](const Tensor& t) { return watch_tensor(t); });
    check_point();
    return handles;
  }
  void watch_parameters(const ParameterList& parameters);

  template <class Y>
  void set_results(const Y& y) {
    y_names_ = names_of(y, "f(x)");
    for (const Tensor& t : tensors_of(y)) add_result(t);
  }
  void set_result(const Tensor& y);  // throws unless it is defined
  void set_loss(const Tensor& y);    // throws unless it has one element

  // Of a loss; one reverse pass.
  std::vector<Tensor> gradient();
  // Σ u·y with respect to x; one reverse pass.
  std::vector<Tensor> vjp(std::span<const Tensor> u);
  // Σ v·∂y/∂x: w(u) = Jᵀu is recorded at u = 0, and v·w differentiated by u.
  std::vector<Tensor> jvp(std::span<const Tensor> v);
  // ∂²y/∂x² · v of a loss.
  std::vector<Tensor> hvp(std::span<const Tensor> v);
  // For each x [y.shape…, x.shape…].
  std::vector<Tensor> jacobian(JacobianBy by);
  // [n, n] over the elements of all x; of the one x [x.shape…, x.shape…].
  Tensor hessian();
  Tensor hessian_of_tensor();

  // The gradient of a loss as a training step has it; ends this evaluation.
  Gradients backward();
  std::vector<Tensor> direction(const Gradients& gradients) const;  // 0 for those not in it
  Gradients as_gradients(std::vector<Tensor> of_parameters) const;
  PerParameter as_per_parameter(std::vector<Tensor> of_parameters) const;

 private:
  Tensor watch_tensor(const Tensor& x);
  void check_point() const;
  void check_given(const std::string& name, const Tensor& x) const;
  void check_against(const std::string& name, std::span<const Tensor> given,
                     const std::string& of_name, std::span<const Tensor> of,
                     std::span<const std::string> names) const;
  void add_result(const Tensor& y);
  bool depends(const Tensor& y) const;
  Tensor weighted_sum(std::span<const Tensor> y, std::span<const Tensor> weights);
  std::vector<Tensor> pull_back(std::span<const Tensor> y, std::span<const Tensor> u,
                                std::span<const Tensor> x, GradientOptions options);
  std::vector<Tensor> recorded_gradient();
  void fill_by_rows(std::span<const Tensor> jacobians);
  void fill_by_columns(std::span<const Tensor> jacobians);

  const char* operation_;
  Rng stream_;
  Recording* outer_;  // what records around this evaluation; null: nothing
  Tape tape_;
  Recording& recording_;
  std::vector<Tensor> x_, y_;
  std::vector<std::string> x_names_, y_names_;  // "x.forward[0].h"; empty: parameters
};

// Of per_sample_gradients: [count, p.shape…] for each parameter that is not frozen, and row b of it.
PerParameter room_for_samples(const ParameterList& parameters, Index count);
void put_sample(const Gradients& gradients, const PerParameter& into, Index b);
std::uint64_t seed_of_sample(std::uint64_t seed, Index b);

// The same values without history, and apart from a parameter's memory, which steps write over.
Tensor as_value(const Tensor& y);

}  // namespace unroll::detail
