#pragma once

#include <unroll/autograd/scope.h>
#include <unroll/nn/module.h>

namespace unroll::detail {

class Recording;

// As if there were no tape, until the end of the block.
class WithoutTape {
 public:
  WithoutTape();
  ~WithoutTape();
  WithoutTape(const WithoutTape&) = delete;
  WithoutTape& operator=(const WithoutTape&) = delete;

 private:
  Recording* before_;
};

}  // namespace unroll::detail

namespace unroll::nn {

// Until the end of the block, errors and graphs name this module: nn::Scope here(*this);
class [[nodiscard]] Scope {
 public:
  explicit Scope(const Module& module)
      : frame_(
            &module, [](const void* m) { return static_cast<const Module*>(m)->path(); }, -1) {}

 private:
  unroll::detail::ScopeFrame frame_;
};

// Until the end of the block, errors and graphs name this time step: nn::TimeStep here(t);
class [[nodiscard]] TimeStep {
 public:
  explicit TimeStep(Index step) : frame_(nullptr, nullptr, step) {}

 private:
  unroll::detail::ScopeFrame frame_;
};

}  // namespace unroll::nn
