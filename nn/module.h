#pragma once

#include <unroll/autograd/hooks.h>
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/autograd/state.h>
#include <unroll/autograd/tape.h>
#include <unroll/autograd/tensor.h>
#include <unroll/nn/forward_hook.h>
#include <unroll/nn/init.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace unroll::nn {

using unroll::Training;  // nn::Training on: dropout acts without a tape

class Parameter;
class Module;

namespace detail {
// What a call of a module returns, after its hooks: a Tensor or any state.
template <class Y>
Y after_forward(const Module& module, Y outputs);
}  // namespace detail

// A part of a model: parameters and children under names. Both register where they are declared:
//
//   struct Net : nn::Module {
//     struct Options { Index input = 0, output = 0; };
//     explicit Net(Options o) : options(o) {}
//     const Options options;                       // before what uses it
//     nn::Parameter W{*this, "W", {options.input, options.output}, init::xavier()};
//     nn::Child<nn::Linear> head{*this, "head", {.input = options.output, .output = 1}};
//   };
//
// Modules are neither copied nor moved. Calling one is const: any number of threads may, while none
// changes it.
class Module {
 public:
  Module() = default;
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // "encoder.lstm.0.forward", read from the root on demand; empty for the root.
  std::string path() const;
  const std::string& name() const { return name_; }
  Module* parent() const { return parent_; }
  std::span<Module* const> children() const { return children_; }

  // All parameters, this module's own first; paths count from here.
  ParameterList parameters() const;

  // Constants from the next tape on, with everything below.
  void freeze() { set_frozen(true); }
  void unfreeze() { set_frozen(false); }
  // eval() quiets dropout and its relatives here and below for good, train() undoes it. (Without a
  // training tape or an nn::Training they are quiet anyway.)
  void eval() { set_quiet(true); }
  void train() { set_quiet(false); }
  // Whether they act now: as the free is_training(), and nobody called eval().
  bool is_training() const;

  // All parameters in another dtype. Optimisers made before refuse to step.
  void to(DType dtype);

  // dtype of the first parameter at or below this module; f32 where there is none.
  DType dtype() const;

  // Gives what each call of this module returns to a hook (<unroll/nn/forward_hook.h>), which may
  // replace it: of a layer of the library, of a cell also each step that a layer makes of it. A
  // module of one's own returns after_forward(y).
  HookHandle on_forward(ForwardHook hook);

  // The tree with shapes, sizes and what is frozen, one line each.
  std::string describe() const;

 protected:
  // Enters a child that Child does not declare, such as one made in a loop.
  void adopt(Module& child, std::string name);

  // What operator() returns, after the hooks: return after_forward(y). One branch without hooks.
  template <class Y>
  Y after_forward(Y outputs) const {
    return detail::after_forward(*this, std::move(outputs));
  }

 private:
  friend class Parameter;
  template <class M>
  friend class Child;
  template <class M>
  friend class List;
  template <class S>
  friend class LearnedState;
  friend class Sequential;
  template <class Y>
  friend Y detail::after_forward(const Module& module, Y outputs);

  void adopt(Parameter& parameter, const std::string& name);
  void check_name(const std::string& name) const;
  void set_frozen(bool frozen);
  void set_quiet(bool quiet);
  const Parameter* first_parameter() const;
  void run_forward_hooks(std::span<Tensor> outputs) const;
  void collect(const std::string& prefix, ParameterList& to) const;
  void describe(const std::string& indent, std::string& to) const;

  Module* parent_ = nullptr;
  std::string name_;
  bool quiet_ = false;
  std::vector<Parameter*> parameters_;
  std::vector<Module*> children_;
  std::shared_ptr<unroll::detail::HookList<ForwardHook>> forward_hooks_;  // null: none
};

namespace detail {

template <class Y>
Y after_forward(const Module& module, Y outputs) {
  if (module.forward_hooks_ == nullptr) return outputs;
  std::vector<Tensor> tensors;
  for_each_tensor(std::as_const(outputs), [&](const Tensor& x) { tensors.push_back(x); });
  module.run_forward_hooks(tensors);
  std::size_t i = 0;
  for_each_tensor(outputs, [&](Tensor& x) { x = std::move(tensors[i++]); });
  return outputs;
}

}  // namespace detail

// A tensor that training changes: a leaf of every tape it is used on. Copying the Tensor copies the
// handle, which sees later steps.
class Parameter : public Tensor {
 public:
  // f32, with first values from `init` and default_rng(). Throws where the name is empty, has a dot
  // or is taken in the owner.
  Parameter(Module& owner, std::string name, const Shape& shape, const init::Init& init);
  ~Parameter();
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  const std::string& name() const { return name_; }
  std::string path() const;  // from the root
  bool is_frozen() const { return header()->is(unroll::detail::Header::frozen); }
  void freeze();
  void unfreeze();
  // A hook on its gradient, on every tape from now on; see hook_parameter().
  HookHandle on_gradient(GradientHook hook) { return hook_parameter(*this, std::move(hook)); }
  // Values of equal shape and dtype over the present ones; tapes that read these notice.
  void assign(const Tensor& values);

 private:
  friend class Module;
  void change_dtype(DType dtype);

  Module& owner_;
  std::string name_;
  std::shared_ptr<unroll::detail::LeafInfo> info_;
};

namespace detail {
// The parameter, or an undefined tensor where there is none.
inline Tensor or_undefined(const std::optional<Parameter>& p) { return p ? Tensor(*p) : Tensor(); }
}  // namespace detail

template <class Y>
Parameter& operator+=(Parameter&, const Y&) = delete;  // optimisers and assign() write parameters
template <class Y>
Parameter& operator-=(Parameter&, const Y&) = delete;
template <class Y>
Parameter& operator*=(Parameter&, const Y&) = delete;
template <class Y>
Parameter& operator/=(Parameter&, const Y&) = delete;

// A child module in place: is an M, and registers with its parent.
template <class M>
class Child : public M {
 public:
  Child(Module& parent, std::string name, typename M::Options of_child) : M(std::move(of_child)) {
    parent.adopt(*this, std::move(name));
  }
};

namespace detail {
// Throws unless 0 <= position < count.
std::size_t checked_position(const char* what, Index position, Index count);
}  // namespace detail

// Any number of modules of one kind; the path of the first is "name.0".
template <class M>
class List : public Module {
 public:
  List(Module& parent, std::string name) { parent.adopt(*this, std::move(name)); }

  M& add(typename M::Options options) {
    auto module = std::make_unique<M>(std::move(options));
    Module::adopt(*module, std::to_string(modules_.size()));
    modules_.push_back(std::move(module));
    return *modules_.back();
  }
  Index size() const { return std::ssize(modules_); }
  const M& operator[](Index i) const {
    return *modules_[detail::checked_position("element", i, size())];
  }
  M& operator[](Index i) { return *modules_[detail::checked_position("element", i, size())]; }

 private:
  std::vector<std::unique_ptr<M>> modules_;
};

// The values of one model over those of another with the same paths and shapes; checked before
// anything is changed.
void copy_values(const Module& from, Module& to);

// Throws where a needed size was left at 0: "[lstm] hidden is 0; needed hidden > 0; hint: …".
void require_size(const char* operation, const char* name, Index value, const char* hint);

}  // namespace unroll::nn
