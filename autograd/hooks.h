#pragma once

#include <unroll/autograd/tensor.h>

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

// Hooks: functions of the user's that see a gradient once it is complete, and may replace it.
//
//   tape.on_gradient(h, [&](const Tensor& g) { norms.push_back(norm(g).item()); });      // looks
//   tape.on_gradient(h, [](const Tensor& g) { return g * 0.5; });                       // replaces
//   HookHandle frozen_rows = model.W.on_gradient([=](const Tensor& g) { return g * mask; });
//
// They run on the thread of the tape, several on one gradient in the order of registration, each
// given what the one before it made. What replaces a gradient has its shape and dtype and is finite
// where that was; anything else throws. What a hook throws goes through backward() or gradient() as
// if they threw it. Inside a hook nothing is recorded, but in gradient(…, {.differentiable = true}),
// where what it computes is a part of the gradient. It may not call backward() or gradient() of the
// tape that runs it; tapes of its own are its own matter. A function that recompute() runs again
// hooks its tensors once.
namespace unroll {

// A callable void(const Tensor& gradient), or one that returns what takes the gradient's place; an
// undefined tensor leaves it as it is.
class GradientHook {
 public:
  template <class F>
  requires(!std::same_as<F, GradientHook> && std::is_invocable_v<F&, const Tensor&>)
      GradientHook(F f) {
    using Result = std::invoke_result_t<F&, const Tensor&>;
    static_assert(std::is_void_v<Result> || std::is_convertible_v<Result, Tensor>,
                  "a hook on a gradient returns nothing or a Tensor");
    if constexpr (std::is_void_v<Result>)
      function_ = [f = std::move(f)](const Tensor& g) mutable {
        f(g);
        return Tensor();
      };
    else
      function_ = std::move(f);
  }

  Tensor operator()(const Tensor& gradient) const { return function_(gradient); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

namespace detail {

class AnyHookList {
 public:
  virtual ~AnyHookList() = default;
  virtual void remove(Index id) = 0;
};

// Hooks in the order of registration. Any number of threads may call them at once, while none adds
// or removes one. A hook may remove hooks, itself too: what is removed is not called any more, what
// is added is called from the next time on.
template <class Hook>
class HookList : public AnyHookList {
 public:
  Index add(Hook hook) {
    hooks_.push_back(std::make_shared<Entry>(Entry{next_, false, std::move(hook)}));
    return next_++;
  }
  void remove(Index id) override {
    std::erase_if(hooks_, [&](const auto& e) { return e->id == id && (e->removed = true); });
  }
  bool empty() const { return hooks_.empty(); }

  template <class Call>
  void for_each(const Call& call) const {
    const auto now = hooks_;
    for (const auto& entry : now)
      if (!entry->removed) call(std::as_const(entry->hook));
  }

 private:
  struct Entry {
    Index id;
    bool removed;
    Hook hook;
  };
  std::vector<std::shared_ptr<Entry>> hooks_;
  Index next_ = 0;
};

class GradientHooks : public HookList<GradientHook> {};

}  // namespace detail

// Holds a hook on a parameter or a module: the hook is removed with its handle, or by remove(). A
// handle may outlive what the hook is on.
class [[nodiscard]] HookHandle {
 public:
  HookHandle() = default;
  HookHandle(std::weak_ptr<detail::AnyHookList> list, Index id) : list_(std::move(list)), id_(id) {}
  HookHandle(HookHandle&& other) noexcept : list_(std::exchange(other.list_, {})), id_(other.id_) {}
  HookHandle& operator=(HookHandle&& other) noexcept {
    if (this == &other) return *this;
    remove();
    list_ = std::exchange(other.list_, {});
    id_ = other.id_;
    return *this;
  }
  ~HookHandle() { remove(); }

  void remove() noexcept {
    if (const auto list = std::exchange(list_, {}).lock()) list->remove(id_);
  }
  // Leaves the hook where it is for as long as that lives.
  void keep() noexcept { list_.reset(); }

 private:
  std::weak_ptr<detail::AnyHookList> list_;
  Index id_ = 0;
};

// Tape::on_gradient on this thread's current tape, for code that has no tape at hand. Nothing where
// there is none, or x has no history on it: behind frozen parameters, or as a constant.
void on_gradient(const Tensor& x, GradientHook hook);

// A hook on the gradient of a parameter, on every tape from now on: it runs once in each backward()
// or gradient() that was asked for this gradient, after everything was added up and after the hooks
// of the tape. Of a table's gradient that is kept as rows it sees the dense form; the rows stay
// unless it is replaced. Throws where the tensor is no parameter.
HookHandle hook_parameter(const Tensor& parameter, GradientHook hook);

namespace detail {

class Recording;
void hook_value(Recording& tape, const Tensor& x, GradientHook hook);

}  // namespace detail
}  // namespace unroll
