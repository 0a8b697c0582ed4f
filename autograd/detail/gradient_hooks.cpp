#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/user_code.h>
#include <unroll/autograd/hooks.h>
#include <unroll/autograd/operation.h>

#include <algorithm>

// Where hooks of the user's see gradients.
namespace unroll::detail {
namespace {

// A copy unless nobody else holds it: gradients are written to, and marked while they are read.
Tensor own_elements(Tensor g) {
  Header* h = g.header();
  if (h->references.load(std::memory_order_acquire) == 1 && h->owner == nullptr &&
      h->is(Header::dense) && !h->is(Header::leaf) && h->tape == 0)
    return g;
  Tensor copy = empty_like(*h);
  copy_elements(g, copy);
  return copy;
}

}  // namespace

std::string name_of_value(const Recording& tape, std::uint32_t value) {
  if (const auto named = tape.names.find(value); named != tape.names.end()) return named->second;
  const Value& v = tape.values[value];
  if (v.is_leaf != 0) {
    const auto& info = tape.leaves[v.origin].info;
    return info != nullptr ? info->path() : "a watched tensor";
  }
  const Node& node = tape.nodes[v.origin];
  const Label& label = tape.label_of(node);
  std::string text = node.operation->name;
  const std::string& path = tape.paths[label.path];
  if (!path.empty()) text += " at " + path;
  if (label.step >= 0) text += (path.empty() ? " at t=" : ", t=") + std::to_string(label.step);
  return text;
}

void GradientPass::check_replacement(std::uint32_t value, const Tensor& before,
                                     const Tensor& after) const {
  const auto complain = [&](const std::string& of, const std::string& needed,
                            const std::string& hint) {
    fail_nowhere("on_gradient",
                 {.given = "a hook on the gradient of " + name_of_value(tape_, value) + " " +
                           describe(before) + " returned " + of,
                  .needed = needed,
                  .hint = hint});
  };
  if (after.shape() != before.shape() || after.dtype() != before.dtype())
    complain(describe(after), "the same shape and dtype", "a hook that only looks returns nothing");
  const NonFinite bad = find_non_finite(after);
  if (bad.first >= 0 && all_finite(before))
    complain(describe(bad, after.shape()), "finite values where the gradient is finite",
             "where(g == 0.0, g, …)");
}

Tensor GradientPass::through_hooks(std::uint32_t value, const GradientHooks& hooks,
                                   const Tensor& gradient) const {
  Tensor g = gradient;
  hooks.for_each([&](const GradientHook& hook) {
    Tensor changed;
    {
      const UserCode user;
      changed = hook(g);
    }
    if (!changed.defined() || changed.header() == g.header()) return;
    check_replacement(value, g, changed);
    if (tape_.hooked == no_value) tape_.hooked = value;
    if (!options_.differentiable) {
      g = own_elements(std::move(changed));
      return;
    }
    const Tensor* const operand = &changed;
    static_cast<void>(is_recording("on_gradient", {&operand, 1}));
    g = changed;
  });
  return g;
}

// A hooked value has memory of its own, as one that is asked for.
void GradientPass::mark_hooked() {
  for (const auto& [value, hooks] : tape_.hooks) {
    if (value >= slots_.size()) continue;
    Slot& s = slots_[value];
    if (!s.is(Slot::wanted)) s.set(Slot::passing);
    s.set(Slot::needed);
    s.set(Slot::wanted);
    s.set(Slot::hooked);
  }
}

void GradientPass::run_hooks(std::uint32_t value) {
  if (options_.norms != nullptr) return measure(value);
  const auto found = tape_.hooks.find(value);
  if (found == tape_.hooks.end()) return;
  const std::shared_ptr<GradientHooks> hooks = found->second;  // a hook may hook other values
  Slot& s = slots_[value];
  retain(s.buffer);
  Tensor g = Tensor::adopt(s.buffer);
  if (!options_.differentiable) g = dense_copy(g);
  const Header* const before = g.header();
  g = through_hooks(value, *hooks, g);
  if (options_.replaced != nullptr && g.header() != before) (*options_.replaced)[value] = g;
  if (g.header() == s.buffer) return;
  release(std::exchange(s.buffer, g.surrender()));
  s.set(Slot::shared);
}

// Of leaves, in the order in which the tape met them.
void GradientPass::run_leaf_hooks(std::span<const std::uint32_t> wanted,
                                  std::vector<PassResult>& results) {
  if (options_.norms != nullptr) return measure_leaves();
  const bool any = !tape_.hooks.empty() ||
                   std::any_of(tape_.leaves.begin(), tape_.leaves.end(), [](const Leaf& leaf) {
                     return leaf.info != nullptr && leaf.info->hooks != nullptr;
                   });
  if (!any) return;
  for (std::size_t i = 0; i < tape_.leaves.size(); ++i) {
    const std::uint32_t value = tape_.leaves[i].value;
    if (value == no_value || value >= slots_.size() || !slots_[value].is(Slot::wanted)) continue;
    const auto info = tape_.leaves[i].info;
    const auto of_tape = tape_.hooks.find(value);
    const auto at = std::find(wanted.begin(), wanted.end(), value);
    const std::shared_ptr<GradientHooks> hooks[] = {
        of_tape != tape_.hooks.end() ? of_tape->second : nullptr,
        info != nullptr && at != wanted.end() ? info->hooks : nullptr};
    if (hooks[0] == nullptr && hooks[1] == nullptr) continue;
    PassResult unwanted;
    PassResult& result =
        at != wanted.end() ? results[static_cast<std::size_t>(at - wanted.begin())] : unwanted;
    if (at == wanted.end()) result = take(value);
    Tensor g = result.dense;
    if (!g.defined() && result.rows.empty()) continue;
    if (!g.defined()) g = dense_of_rows(value, result.rows);
    Tensor after = g;
    for (const auto& list : hooks)
      if (list != nullptr) after = through_hooks(value, *list, after);
    if (after.header() == g.header()) continue;
    if (options_.replaced != nullptr) (*options_.replaced)[value] = after;
    result.dense = after;
    result.rows.clear();
  }
}

}  // namespace unroll::detail
