#include <unroll/autograd/detail/check_finite.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/view_layout.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>

#include <algorithm>

namespace unroll::detail {
namespace {

thread_local std::vector<Slot> spare_slots;

}  // namespace

GradientPass::GradientPass(Recording& tape, Options options)
    : tape_(tape), options_(options), slots_(std::move(spare_slots)), covers_(1) {
  ++tape_.passes;
  if (options_.differentiable) tape_.begin_order(1);
  if (options_.norms != nullptr) return;
  if (tape_.measurements != nullptr && tape_.measurements->timings()) {
    timings_ = tape_.measurements.get();
    timings_->begin_pass();
  }
  watched_ = tape_.check_finite || timings_ != nullptr;
}

GradientPass::~GradientPass() {
  --tape_.passes;
  if (timings_ != nullptr) timings_->end_pass();
  if (options_.differentiable) tape_.forget_place();
  for (Slot& s : slots_)
    if (s.buffer != nullptr) release(s.buffer);
  slots_.clear();
  spare_slots = std::move(slots_);
  for (auto& [value, waiting] : products_)
    for (const Product& p : waiting.list) unpin(p.g);
}

// A value is needed if a wanted one was used in making it. A view whose gradient is wanted, or that
// views a wanted view, cannot write past it into the root.
void GradientPass::mark(std::uint32_t top, std::span<const std::uint32_t> wanted) {
  slots_.assign(tape_.values.size(), Slot{});
  for (const std::uint32_t v : wanted) {
    slots_[v].set(Slot::needed);
    slots_[v].set(Slot::wanted);
  }
  if (options_.norms != nullptr)
    mark_measured();
  else if (!tape_.hooks.empty())
    mark_hooked();
  const Value& last = tape_.values[top];
  if (last.is_leaf != 0) return;
  for (std::uint32_t i = 0; i <= last.origin; ++i) mark_node(tape_.nodes[i]);
}

void GradientPass::mark_node(const Node& node) {
  const std::uint32_t* inputs = tape_.inputs_of(node);
  bool needed = false;
  for (std::uint32_t k = 0; k < node.inputs && !needed; ++k) needed = needs(inputs[k]);
  if (!needed) return;
  for (std::uint32_t k = 0; k < node.outputs; ++k) slots_[node.first_output + k].set(Slot::needed);
  if (node.operation->flow != Flow::views) return;
  for (std::uint32_t k = 0; k < node.outputs; ++k) {
    Slot& s = slots_[node.first_output + k];
    if (s.is(Slot::wanted) || (slots_[inputs[0]].is(Slot::apart)) ||
        (slots_[inputs[0]].is(Slot::wanted) && is_view(inputs[0])))
      s.set(Slot::apart);
  }
}

// 1, or one more than that of the recorded gradients that the value was computed from.
std::uint32_t GradientPass::order_of(std::uint32_t top) const {
  if (tape_.highest_order() == 0 || tape_.values[top].is_leaf != 0) return 1;
  std::uint32_t highest = 0;
  std::vector<bool> used(tape_.values.size());
  used[top] = true;
  for (std::uint32_t i = tape_.values[top].origin + 1; i-- > 0;) {
    const Node& node = tape_.nodes[i];
    bool of_top = false;
    for (std::uint32_t k = 0; k < node.outputs; ++k) of_top = of_top || used[node.first_output + k];
    if (!of_top) continue;
    highest = std::max(highest, tape_.label_of(node).order);
    const std::uint32_t* inputs = tape_.inputs_of(node);
    for (std::uint32_t k = 0; k < node.inputs; ++k)
      if (inputs[k] != no_value) used[inputs[k]] = true;
  }
  return highest + 1;
}

std::vector<PassResult> GradientPass::run(std::uint32_t top, const Tensor& upstream,
                                          std::span<const std::uint32_t> wanted) {
  mark(top, wanted);
  if (options_.differentiable) tape_.begin_order(order_of(top));
  if (tape_.check_finite) check_upstream(upstream);
  Slot& start = slots_[top];
  start.buffer = upstream.header();
  retain(start.buffer);
  start.set(Slot::full);
  start.set(Slot::shared);
  if (is_view(top)) start.set(Slot::apart);
  const Value& last = tape_.values[top];
  if (last.is_leaf == 0)
    for (std::uint32_t i = last.origin + 1; i-- > 0;) visit_node(i);
  flush_all();
  std::vector<PassResult> results;
  results.reserve(wanted.size());
  for (const std::uint32_t v : wanted) results.push_back(take(v));
  run_leaf_hooks(wanted, results);
  return results;
}

void GradientPass::visit_node(std::uint32_t index) {
  const Node node = tape_.nodes[index];  // a copy: a rule may record, and the array may move
  const Operation& operation = *node.operation;
  bool flowed = false;
  bool needed = false;
  for (std::uint32_t v = node.first_output; v < node.first_output + node.outputs; ++v) {
    if (slots_[v].is(Slot::deferred)) flush(v);
    if (slots_[v].is(Slot::sparse)) flush_rows(v);
    if (slots_[v].buffer == nullptr) continue;
    complete(v);
    flowed = true;
    needed = needed || slots_[v].is(Slot::needed);
    if (slots_[v].is(Slot::hooked)) run_hooks(v);
  }
  if (flowed && needed) {
    at_ = index;
    if (!tape_.recomputed.empty())
      tape_.recomputed.fill(tape_, index, options_.retain || options_.differentiable);
    if (options_.differentiable) tape_.take_place(node);
    if (watched_) {
      run_watched_rule(node, index);
    } else {
      Backward rule(*this, node);
      operation.derivative(rule);
    }
  }
  if (!passed_.empty())
    std::erase_if(passed_,
                  [&](const Passed& p) { return p.value - node.first_output < node.outputs; });
  for (std::uint32_t v = node.first_output; v < node.first_output + node.outputs; ++v) {
    Slot& s = slots_[v];
    if (s.buffer != nullptr && (!s.is(Slot::wanted) || s.is(Slot::passing)))
      release(std::exchange(s.buffer, nullptr));
  }
  if (!ready_.empty()) flush_ready();
  if (!options_.retain && !options_.differentiable) tape_.release_saved(tape_.nodes[index]);
  if (!tape_.recomputed.empty())
    tape_.recomputed.leave(tape_, index, options_.retain && !options_.differentiable);
}

bool GradientPass::is_view(std::uint32_t value) const { return as_view(tape_, value) != nullptr; }

void GradientPass::add(std::uint32_t value, const Tensor& gradient) {
  const Shape shape = tape_.shape_of(value);
  const Tensor g = gradient.shape() == shape ? gradient : sum_to(gradient, shape);
  Slot& s = slots_[value];
  if (options_.differentiable) {
    Tensor sum = s.buffer != nullptr ? Tensor::adopt(std::exchange(s.buffer, nullptr)) + g : g;
    slots_[value].buffer = sum.surrender();
    slots_[value].set(Slot::full);
    return;
  }
  const Value& v = tape_.values[value];
  const bool passes = v.is_leaf == 0 && tape_.nodes[v.origin].operation->flow == Flow::passes_third;
  if (s.buffer == nullptr && !passes && !lies_in_root(value)) {
    s.buffer = g.header();
    retain(s.buffer);
    s.set(Slot::full);
    s.set(Slot::shared);
    return;
  }
  const Destination to = destination(value);
  if (to.accumulate)
    add_elements(g, to.buffer);
  else
    copy_elements(g, to.buffer);
}

Slot* GradientPass::plain_slot(std::uint32_t value) {
  Slot& s = slots_[value];
  if (s.buffer != nullptr) {
    const bool plain = s.is(Slot::full) && !s.is(Slot::shared) && s.buffer->owner == nullptr &&
                       s.buffer->is(Header::dense) && !s.buffer->is(Header::pinned) &&
                       passed_.empty();
    return plain ? &s : nullptr;
  }
  const Value& v = tape_.values[value];
  return v.is_leaf != 0 || tape_.nodes[v.origin].operation->flow == Flow::computes ? &s : nullptr;
}

bool GradientPass::owns_buffer(std::uint32_t value) const {
  const Slot& s = slots_[value];
  Rows rows;
  return s.buffer != nullptr && !s.is(Slot::shared) && !s.is(Slot::wanted) && !s.is(Slot::passed) &&
         !s.buffer->block()->is(Header::pinned) &&
         as_rows({s.buffer->extents(), s.buffer->rank}, {s.buffer->strides(), s.buffer->rank},
                 rows);
}

bool GradientPass::hand_over(std::uint32_t value, const Tensor& piece) {
  Slot& s = slots_[value];
  const Value& v = tape_.values[value];
  if (v.is_leaf != 0 || s.buffer != nullptr || s.is(Slot::wanted)) return false;
  if (tape_.nodes[v.origin].operation->flow != Flow::computes) return false;
  Rows rows;
  if (!as_rows(extents(piece), strides(piece), rows)) return false;
  s.buffer = piece.header();
  retain(s.buffer);
  s.set(Slot::full);
  return true;
}

PassResult GradientPass::take(std::uint32_t value) {
  PassResult result;
  Slot& s = slots_[value];
  if (s.is(Slot::sparse)) {
    if (s.buffer == nullptr && !options_.differentiable) {
      result.rows = std::move(rows_[value]);
      return result;
    }
    flush_rows(value);
  }
  if (s.buffer == nullptr) return result;
  complete(value);
  retain(s.buffer);
  result.dense = Tensor::adopt(s.buffer);
  if (options_.differentiable || s.buffer->owner == nullptr) return result;
  if (s.buffer->owner->size > s.buffer->size) {
    // A part of something larger would keep all of it alive.
    Tensor alone = empty_like(*s.buffer);
    copy_elements(result.dense, alone);
    result.dense = std::move(alone);
  } else {
    result.dense = dense_copy(detach(result.dense));
  }
  return result;
}

}  // namespace unroll::detail
