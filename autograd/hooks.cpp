#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/hooks.h>
#include <unroll/autograd/leaf.h>

namespace unroll {

void on_gradient(const Tensor& x, GradientHook hook) {
  detail::require_defined("on_gradient", "x", x);
  detail::Recording* const tape = detail::tapes.current;
  if (tape != nullptr && tape->history(x.header(), "on_gradient") != detail::no_value)
    detail::hook_value(*tape, x, std::move(hook));
}

HookHandle hook_parameter(const Tensor& parameter, GradientHook hook) {
  detail::require_defined("hook_parameter", "parameter", parameter);
  const auto& info = detail::leaf_info(*parameter.header());
  if (info == nullptr)
    fail_nowhere("hook_parameter", {.given = describe(parameter) + " is no parameter",
                                    .needed = "a parameter of a module",
                                    .hint = "tape.on_gradient(x, hook) for any other tensor"});
  if (info->hooks == nullptr) info->hooks = std::make_shared<detail::GradientHooks>();
  const Index id = info->hooks->add(std::move(hook));
  return {info->hooks, id};
}

namespace detail {

void hook_value(Recording& tape, const Tensor& x, GradientHook hook) {
  const std::uint32_t value = tape.history(x.header(), "on_gradient");
  if (value == no_value) {
    const bool frozen = x.header()->is(Header::frozen);
    fail("on_gradient",
         {.given = (frozen ? leaf_path(*x.header()) + " " + describe(x) + " is frozen"
                           : "x " + describe(x) + " has no history on this tape"),
          .needed = "a tensor recorded or watched on it, or a parameter",
          .hint = frozen ? "unfreeze() before the Tape is made"
                         : "Tensor w = tape.watch(x), then use w"});
  }
  if (tape.recomputed.replaying()) return;  // it was hooked by the first run
  auto& hooks = tape.hooks[value];
  if (hooks == nullptr) hooks = std::make_shared<GradientHooks>();
  hooks->add(std::move(hook));
}

}  // namespace detail
}  // namespace unroll
