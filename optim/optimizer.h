#pragma once

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/autograd/tensor.h>
#include <unroll/optim/state.h>

#include <concepts>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace unroll::optim {

namespace detail {
enum class Rule;
struct Update;
struct Plan;
}  // namespace detail

// What a row-sparse gradient (of an embedding's table) does to rows that it does not have. Every
// method but L-BFGS has both; where no bit of such a row would change anyway, exact costs no more.
//   exact  what a dense gradient with zeros there would do, to the bit: moments and decay act on
//          all rows
//   lazy   nothing: rows without a gradient keep their values and moments. What depends on the
//          number of steps counts those of the table, not those of the row.
enum class Sparse { exact, lazy };

// Clipping, in the same pass over memory as the update itself; at most one of the two.
struct StepOptions {
  double clip_norm = 0;   // all gradients times min(1, clip_norm / their norm); 0: not
  double clip_value = 0;  // every element limited to -clip_value … clip_value; 0: not
};

struct StepResult {
  double norm = 0;   // Euclidean norm of the gradients used, before clipping
  double scale = 1;  // what clip_norm multiplied them by
};

// Changes parameters by their gradients. Holds handles, not addresses: the model may die first.
//   optim::Adam adam(model.parameters(), {.lr = 2e-3});
//   adam.step(tape.backward(loss), {.clip_norm = 5});
// Parameters come in groups, each with options of its own: add() of the optimiser at hand.
class Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer();

  // One step, all or nothing: throws before anything is changed where a gradient or the norm is not
  // finite (or, clipped, beyond squaring where the method squares it), a gradient does not fit its
  // parameter, or a parameter has changed its dtype since it was given. Parameters without a
  // gradient, and frozen ones, are left alone with their moments, decay included; gradients of
  // parameters that are not held are ignored. A tape that has read a parameter notices its change.
  StepResult step(const Gradients& gradients, const StepOptions& options = {});

  // The learning rate of the first group. Setting it changes that of every group by the same
  // factor.
  double lr() const { return lr_; }
  void set_lr(double lr);

  Index steps() const { return steps_; }  // taken so far
  bool holds(const Tensor& parameter) const {
    return slots_by_header_.contains(parameter.header());
  }

  // Everything that the next step depends on besides the options: copies of the rate, the number of
  // steps, and the moments and steps of each parameter ("encoder.W.first").
  std::vector<StateEntry> state() const;
  // Takes over such a list. Throws, with all that is wrong, before anything is changed: names
  // missing, unknown or twice, other shapes or dtypes.
  void restore(std::span<const StateEntry> entries);

  // Groups, their options and parameters, one line each.
  std::string describe() const;

 protected:
  // `name` stands in errors.
  explicit Optimizer(const char* name) : name_(name) {}

  // Registers a group. Throws, and registers nothing, where one of its tensors is no parameter or
  // is held already, or the rate is not above 0; the first group needs a parameter.
  void add_group(std::span<const Tensor> parameters, double lr);
  // Throws "[adam] beta1 is 2; needed …" unless the condition holds.
  void require(bool holds, const char* option, double value, const char* needed) const;

  // What to do with the parameters of a group: at the given rate, for their step number `steps`,
  // from 1.
  virtual detail::Plan plan(Index group, double lr, Index steps) const = 0;
  virtual std::string describe_options(Index group) const = 0;

 private:
  struct Slot {
    Tensor parameter = {};
    Index group = 0;
    Index steps = 0;
    std::vector<Tensor> moments = {};  // none before the first step
  };
  struct Work;

  double group_lr(Index group) const;
  std::vector<std::string> names() const;
  std::vector<Work> collect(const Gradients& gradients);
  void check(const StepOptions& options) const;
  void check_dtypes() const;
  void check_squares(const Work& work, const detail::Update& update, double norm) const;
  void check_fits(const Gradients::Entry& entry) const;
  double checked_norm(std::span<const Work> work) const;
  [[noreturn]] void fail_non_finite(std::span<const Work> work) const;

  const char* name_;
  Index steps_ = 0;
  double lr_ = 0;
  std::vector<double> first_lr_;  // of each group, as it was given
  std::vector<Slot> slots_;
  std::unordered_map<const unroll::detail::Header*, std::size_t> slots_by_header_;
};

// An optimiser whose groups have options of one type.
template <class GroupOptions>
class OptimizerWith : public Optimizer {
 public:
  using Options = GroupOptions;

  // One more group. Throws, and adds nothing, where an option is out of its range.
  void add(std::span<const Tensor> parameters, const Options& options = {}) {
    check(options);
    options_.reserve(options_.size() + 1);
    add_group(parameters, options.lr);
    options_.push_back(options);
  }

 protected:
  using Optimizer::Optimizer;

  virtual void check(const Options& options) const = 0;
  const Options& options_of(Index group) const { return options_[static_cast<std::size_t>(group)]; }

 private:
  std::vector<Options> options_;
};

namespace detail {
void check_covers(const ParameterList& parameters, const std::function<bool(const Tensor&)>& held);
}

// Throws with the list of parameters that are not frozen and that no group of the optimiser holds.
template <class AnyOptimizer>
requires requires(const AnyOptimizer& optimizer, const Tensor& parameter) {
  { optimizer.holds(parameter) } -> std::same_as<bool>;
}
void check_covers(const ParameterList& parameters, const AnyOptimizer& optimizer) {
  detail::check_covers(parameters, [&](const Tensor& p) { return optimizer.holds(p); });
}
template <class Model, class AnyOptimizer>
requires requires(const Model& model) { ParameterList(model.parameters()); }
void check_covers(const Model& model, const AnyOptimizer& optimizer) {
  check_covers(ParameterList(model.parameters()), optimizer);
}

}  // namespace unroll::optim
