#pragma once

#include <unroll/autograd/detail/checked_function.h>

#include <memory>
#include <optional>
#include <vector>

// What the gradient check compares, without knowing of which order: numbers that depend on numbers,
// and products of the Jacobian with weights from the left.
namespace unroll::detail {

using Numbers = std::vector<double>;

// One function evaluated under a tape of its own and kept for gradients.
class Recorded {
 public:
  struct Options {
    bool single = false;        // inputs, which are no parameters then, in f32
    std::ptrdiff_t alone = -1;  // this input alone is watched
    bool gaps = false;          // inputs are views with gaps
  };
  Recorded(const CheckedFunction& checked, std::span<const Numbers> point)
      : Recorded(checked, point, Options{}) {}
  Recorded(const CheckedFunction& checked, std::span<const Numbers> point, const Options& options);

  // What f returned, in one vector; with a history where any of it has one.
  const Tensor& values() const { return values_; }
  Index nodes() { return tape_->nodes(); }
  Tape& tape() { return *tape_; }
  // Whether the values depend on an input, or on a parameter, as far as the tape knows.
  bool reaches_any() const { return reaches_any_; }
  bool reaches_parameters() const { return reaches_parameters_; }
  // The gradient that a hook replaced first, by name; empty where none did.
  std::string hooked() const;
  // Of each input that can be differentiated: the gradient, undefined where it was not reached.
  std::vector<Tensor> gradient(const Tensor& upstream, bool differentiable = false);
  // By Tape::backward; of parameters only.
  std::vector<Tensor> backward(const Tensor& upstream);
  // A direction v in all inputs, through the recorded backward pass: J·v.
  Numbers forward(const std::vector<Numbers>& v);
  // The tensors that gradient() is with respect to; undefined: the values do not depend on it.
  const std::vector<Tensor>& with_respect_to() const { return leaves_; }

 private:
  const CheckedFunction& checked_;
  EvaluationTape tape_;
  Recording& recording_;
  std::vector<Tensor> leaves_;
  Tensor values_;
  bool reaches_any_ = false;
  bool reaches_parameters_ = false;
};

class Problem {
 public:
  struct Input {
    std::string name;
    Shape shape;
    Numbers at = {};   // the point
    double scale = 1;  // how large its elements typically are
    bool is_parameter = false;
  };
  struct Result {  // a tensor among what f returns: where its elements begin
    Shape shape;
    Index from = 0;
  };

  Problem() = default;
  virtual ~Problem() = default;
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Result>& results() const { return results_; }
  Index outputs() const { return outputs_; }
  Index evaluations() const { return evaluations_; }

  // Moves the point. It is the caller's duty to move it back.
  virtual void move(std::size_t input, Index element, double value) = 0;
  virtual void move(std::size_t input, std::span<const double> values) = 0;
  // The function at the point; false where it throws an Error, or no number is finite.
  bool evaluate(Numbers& y);
  // What it threw last; empty where it threw nothing.
  const std::string& last_error() const { return last_error_; }
  // Once, at the point where it was made: throws what the function throws.
  Numbers first_values();
  // For each vector of weights the gradient of Σ w·f with respect to every input; of an input that
  // is not reached, zeros.
  virtual std::vector<std::vector<Numbers>> products(std::span<const Numbers> weights) = 0;

 protected:
  virtual void evaluate_into(Numbers& y) = 0;

  std::vector<Input> inputs_;
  std::vector<Result> results_;
  Index outputs_ = 0;
  Index evaluations_ = 0;
  const char* operation_ = "";  // as errors name the check
  std::string last_error_;
};

// f itself.
class FirstOrder : public Problem {
 public:
  explicit FirstOrder(CheckedFunction& checked);

  void move(std::size_t input, Index element, double value) override;
  void move(std::size_t input, std::span<const double> values) override;
  std::vector<std::vector<Numbers>> products(std::span<const Numbers> weights) override;

  const CheckedFunction& checked() const { return checked_; }
  std::span<const Numbers> point() const { return point_; }
  // Throws where f, whose values are `base`, depends on no input, or on no parameter of the model:
  // nothing that is found of it would be about them.
  void check_dependence(const Numbers& base);
  void count_evaluation() { ++evaluations_; }
  Numbers numbers(const Tensor& gradient, std::size_t input) const;

 protected:
  void evaluate_into(Numbers& y) override;

 private:
  bool changes(const Numbers& base, bool with_parameters_alone);

  CheckedFunction& checked_;
  KeptParameters kept_;
  std::vector<Numbers> point_;         // of every floating input
  std::vector<std::size_t> position_;  // of each of them among the inputs of checked_
  bool known_ = false;                 // results
};

// The gradients of Σ w·f with respect to every input, as a function of the inputs and of w.
class SecondOrder : public Problem {
 public:
  SecondOrder(FirstOrder& first, const Numbers& weights);

  void move(std::size_t input, Index element, double value) override;
  void move(std::size_t input, std::span<const double> values) override;
  std::vector<std::vector<Numbers>> products(std::span<const Numbers> weights) override;

 protected:
  void evaluate_into(Numbers& y) override;

 private:
  FirstOrder& first_;
  Numbers weights_;
};

// The same values in elements that do not lie one after another.
Tensor with_gaps(const Tensor& x);
std::vector<Index> index_of(Index position, const Shape& shape);
Tensor vector_of(const Numbers& numbers);
Numbers numbers_of(const Tensor& x);

}  // namespace unroll::detail
