#pragma once

#include <unroll/autograd/tensor.h>

#include <concepts>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

namespace unroll::nn {

class Module;

// A function of the user's that sees what a module returns at the end of each call:
//   void(const nn::Module& module, const Tensor& y)             looks at the first output
//   Tensor(const nn::Module& module, const Tensor& y)           and replaces it; undefined: does not
//   void(const nn::Module& module, std::span<Tensor> outputs)   all of them, to replace by assigning
// The outputs of a recurrent layer are its sequence, then the tensors of its state; those of a cell
// are the tensors of its state. What replaces an output has its shape and dtype; anything else
// throws. A hook is called like code of the module itself: on whatever thread calls the module,
// recorded where that is, with nn::Scope and time step set. Where a part is recomputed it is called
// again, since what it records or replaces belongs to the part; what must not be counted twice asks
// is_recomputing().
//
//   HookHandle hook = model.head.on_forward([&](const nn::Module& m, const Tensor& y) {
//     if (!is_recomputing()) statistics[m.path()].push_back(mean(y).item());
//   });
class ForwardHook {
 public:
  template <class F>
  requires(!std::same_as<F, ForwardHook> &&
           (std::is_invocable_v<F&, const Module&, const Tensor&> ||
            std::is_invocable_v<F&, const Module&, std::span<Tensor>>)) ForwardHook(F f) {
    if constexpr (std::is_invocable_v<F&, const Module&, const Tensor&>) {
      using Result = std::invoke_result_t<F&, const Module&, const Tensor&>;
      static_assert(std::is_void_v<Result> || std::is_convertible_v<Result, Tensor>,
                    "a hook on a module returns nothing or a Tensor");
      function_ = [f = std::move(f)](const Module& module, std::span<Tensor> outputs) mutable {
        if constexpr (std::is_void_v<Result>) {
          f(module, std::as_const(outputs.front()));
        } else {
          Tensor y = f(module, std::as_const(outputs.front()));
          if (y.defined()) outputs.front() = std::move(y);
        }
      };
    } else {
      function_ = std::move(f);
    }
  }

  void operator()(const Module& module, std::span<Tensor> outputs) const {
    function_(module, outputs);
  }

 private:
  std::function<void(const Module&, std::span<Tensor>)> function_;
};

}  // namespace unroll::nn
