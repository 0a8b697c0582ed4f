#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/check_finite.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/roll_back.h>
#include <unroll/autograd/tape.h>

#include <algorithm>

// backward() and gradient(): what is asked of a tape, what is refused, and what a pass over it gives.
namespace unroll {
namespace {

using detail::no_value;
using detail::Recording;
using detail::tapes;

RowSparse coalesced(const std::vector<detail::SparseRows>& parts, const Shape& shape, DType dtype) {
  std::vector<std::pair<Index, Index>> order;  // (id, position): equal ids in the order of the tape
  Index position = 0;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Tensor ids = detail::dense_copy(part->ids);
    for (const Index id : ids.span<Index>()) order.emplace_back(id, position++);
  }
  std::sort(order.begin(), order.end());
  std::vector<Index> ids;
  std::vector<Index> row_of(order.size());
  for (const auto& [id, at] : order) {
    if (ids.empty() || ids.back() != id) ids.push_back(id);
    row_of[static_cast<std::size_t>(at)] = std::ssize(ids) - 1;
  }
  const Index columns = shape[-1];
  RowSparse rows{.ids = from(std::span<const Index>(ids), {std::ssize(ids)}),
                 .values = zeros({std::ssize(ids), columns}, dtype),
                 .shape = shape};
  visit_floating(dtype, [&]<class T>(T) {
    T* to = detail::data<T>(rows.values);
    std::size_t at = 0;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      const T* from = detail::data<T>(part->rows);
      for (Index n = part->ids.size(); n > 0; --n, from += columns) {
        T* row = to + row_of[at++] * columns;
        for (Index i = 0; i < columns; ++i) row[i] += from[i];
      }
    }
  });
  return rows;
}

// The gradient of a table whose rows were used.
RowSparse rows_of(const Recording& tape, const detail::PassResult& result, std::uint32_t value,
                  const Shape& shape, DType dtype) {
  RowSparse rows = coalesced(result.rows, shape, dtype);
  if (tape.check_finite && !detail::all_finite(rows.values))
    detail::check_sum(tape, value, to_dense(rows));
  return rows;
}

// The value a tensor has on a tape, without entering it there; no_value where it has none.
std::uint32_t value_on(const Recording& tape, const detail::Header& x) {
  if (x.tape == tape.serial) return x.value;
  if (!x.is(detail::Header::leaf)) return no_value;
  for (const detail::Leaf& leaf : tape.leaves)
    if (leaf.header == &x) return leaf.value;
  return no_value;
}

// For a leaf that has no value on the tape: "loss head.b f32 [1]" and why.
[[noreturn]] void fail_constant_leaf(const char* operation, const char* operand, const Tensor& x) {
  const std::string path = detail::leaf_path(*x.header());
  const std::string who = std::string(operand) + " " + path + " " + describe(x);
  if (x.header()->is(detail::Header::frozen))
    fail_nowhere(operation, {.given = who + " is frozen",
                             .needed = "a parameter that is not frozen, read on this tape",
                             .hint = path + ".unfreeze() before the Tape is made"});
  fail_nowhere(operation, {.given = who + " was read by no operation of this tape, or while frozen",
                           .needed = "a parameter that is not frozen, read on this tape",
                           .hint = "create the Tape before calling the model"});
}

// For a loss that is recorded, but elsewhere.
[[noreturn]] void fail_other_tape(const char* operation, const Recording& tape,
                                  const Tensor& loss) {
  const std::uint64_t serial = loss.header()->tape;
  std::string which = "a tape that has ended";
  for (const Recording* r = tapes.top; r != nullptr; r = r->outer)
    if (r->serial == serial) which = serial < tape.serial ? "an outer tape" : "an inner tape";
  if (serial >> 32 != tape.serial >> 32) which = "a tape of another thread";
  const std::string origin = detail::origin_of(*loss.header());
  fail_nowhere(operation, {.given = "loss " + describe(loss) + " belongs to " + which +
                                    (origin.empty() ? "" : " (made at " + origin + ")"),
                           .needed = "a value recorded on this tape",
                           .hint = "call " + std::string(operation) +
                                   " of the tape under which it was computed"});
}

[[noreturn]] void fail_no_parameter(const Tensor& loss) {
  fail_nowhere(
      "backward",
      {.given = "loss " + describe(loss) + " depends on no parameter, only on watched tensors",
       .needed = "a parameter that is not frozen, read on this tape",
       .hint = "tape.gradient(loss, x), or backward(loss, model.parameters()), which "
               "leaves out what the loss does not reach"});
}

}  // namespace

void Tape::check_loss(const char* operation, const Tensor& loss, const Tensor& upstream) const {
  check_thread();
  detail::require_defined(operation, "loss", loss);
  if (recording_->passes > 0 && !recording_->recomputed.replaying())
    fail_nowhere(operation, {.given = "a call by a hook or a derivative that this tape runs",
                             .needed = "one pass over a tape at a time",
                             .hint = "keep the tensor, and call it after the pass"});
  if (!recording_->open)
    fail_nowhere(
        operation,
        {.given = "this tape was closed by an earlier backward",
         .needed = "an open tape",
         .hint = "one Tape per window, or backward(loss, {.retain = true}), or backward(a + b)"});
  if (value_on(*recording_, *loss.header()) == no_value) {
    if (loss.header()->is(detail::Header::leaf)) fail_constant_leaf(operation, "loss", loss);
    if (loss.header()->tape != 0) fail_other_tape(operation, *recording_, loss);
    fail_nowhere(
        operation,
        {.given = "loss " + describe(loss) +
                  " has no history: it was computed before the tape began, or from constants",
         .needed = "a value recorded on this tape",
         .hint = "create the Tape before calling the model, or tape.watch(x)"});
  }
  if (!upstream.defined() && loss.size() != 1)
    fail_nowhere(operation, {.given = "loss " + describe(loss),
                             .needed = "one element",
                             .hint = "mean(loss), or " + std::string(operation) +
                                     "(loss, {.upstream = weights})"});
  if (upstream.defined() && (upstream.shape() != loss.shape() || upstream.dtype() != loss.dtype()))
    fail_nowhere(operation,
                 {.given = "upstream " + describe(upstream) + " for loss " + describe(loss),
                  .needed = "equal shapes and dtypes",
                  .hint = {}});
  recording_->check_versions(operation);
}

Gradients Tape::backward(const Tensor& loss) { return backward(loss, BackwardOptions{}); }

Gradients Tape::backward(const Tensor& loss, const BackwardOptions& options) {
  check_loss("backward", loss, options.upstream);
  std::vector<std::uint32_t> wanted;
  for (const detail::Leaf& leaf : recording_->leaves)
    if (leaf.value != no_value && leaf.info != nullptr) wanted.push_back(leaf.value);
  if (wanted.empty()) fail_no_parameter(loss);
  Gradients gradients = backward_into(loss, wanted, options);
  if (gradients.empty()) fail_no_parameter(loss);
  return gradients;
}

Gradients Tape::backward(const Tensor& loss, std::span<const Tensor> parameters) {
  return backward(loss, parameters, BackwardOptions{});
}

Gradients Tape::backward(const Tensor& loss, std::span<const Tensor> parameters,
                         const BackwardOptions& options) {
  check_loss("backward", loss, options.upstream);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string name = "parameters[" + std::to_string(i) + "]";
    detail::require_defined("backward", name, parameters[i]);
    if (detail::leaf_info(*parameters[i].header()) == nullptr)
      fail_nowhere("backward",
                   {.given = name + " " + describe(parameters[i]) + " is not a parameter",
                    .needed = "parameters of modules",
                    .hint = "tape.gradient(loss, x)"});
  }
  std::vector<std::uint32_t> wanted;
  for (const detail::Leaf& leaf : recording_->leaves) {
    if (leaf.value == no_value || leaf.info == nullptr) continue;
    if (std::any_of(parameters.begin(), parameters.end(),
                    [&](const Tensor& p) { return p.header() == leaf.header; }))
      wanted.push_back(leaf.value);
  }
  return backward_into(loss, wanted, options);
}

Gradients Tape::backward_into(const Tensor& loss, std::span<const std::uint32_t> wanted,
                              const BackwardOptions& options) {
  // Closed on every way out unless retained: saved values may be gone half way.
  struct Close {
    Recording* recording;
    bool retain;
    ~Close() {
      if (retain) return;
      detail::close_recording(*recording);
      recording->release_history();
    }
  } const close{recording_, options.retain};

  Gradients gradients;
  {
    const detail::RecordingOff off;
    const Tensor upstream =
        options.upstream.defined() ? detach(options.upstream) : ones(loss.shape(), loss.dtype());
    const std::uint32_t top = recording_->history(loss.header(), "backward");
    recording_->notes.loss = top;
    recording_->notes.loss_of_backward = true;
    recording_->notes.norms.clear();
    detail::Replacements replaced;
    std::vector<detail::PassResult> results;
    {
      detail::GradientPass pass(*recording_,
                                {.retain = options.retain || options.keep_norms,
                                 .replaced = options.keep_norms ? &replaced : nullptr});
      results = pass.run(top, upstream, wanted);
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const detail::Leaf& leaf = recording_->leaves[recording_->values[wanted[i]].origin];
      Gradients::Entry entry{.path = leaf.info->path(), .dense = results[i].dense};
      detail::retain(leaf.header);
      entry.parameter = Tensor::adopt(leaf.header);
      if (!results[i].rows.empty())
        entry.sparse = rows_of(*recording_, results[i], wanted[i], entry.parameter.shape(),
                               entry.parameter.dtype());
      else if (!entry.dense.defined())
        continue;
      gradients.insert(std::move(entry));
    }
    // Last, so that what throws before has kept none.
    if (options.keep_norms)
      detail::keep_norms(*recording_, top, upstream, replaced, options.retain);
  }
  return gradients;
}

Tensor Tape::gradient(const Tensor& y, const Tensor& x, const GradientOptions& options) {
  Tensor result;
  gradient_into(y, {&x, 1}, options, {&result, 1});
  return result;
}

void Tape::gradient_into(const Tensor& y, std::span<const Tensor> x, const GradientOptions& options,
                         std::span<Tensor> result) {
  check_loss("gradient", y, options.upstream);
  std::vector<std::uint32_t> wanted;
  for (std::size_t i = 0; i < x.size(); ++i) {
    detail::require_defined("gradient", "x", x[i]);
    const std::uint32_t value = value_on(*recording_, *x[i].header());
    if (value == no_value) {
      if (x[i].header()->is(detail::Header::leaf)) fail_constant_leaf("gradient", "x", x[i]);
      fail_nowhere("gradient",
                   {.given = "x " + describe(x[i]) + " is not on this tape",
                    .needed = "a tensor recorded or watched on it, or a parameter that was read",
                    .hint = "Tensor w = tape.watch(x), then use w"});
    }
    wanted.push_back(value);
  }
  std::vector<std::uint32_t> distinct = wanted;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());

  struct Restore {
    Recording* before = tapes.current;
    ~Restore() { tapes.current = before; }
  } const restore;
  tapes.current = options.differentiable ? recording_ : nullptr;
  const Tensor upstream =
      options.upstream.defined() ? options.upstream : ones(y.shape(), y.dtype());
  // Before a derivative reads it: a leaf is entered once and for all.
  if (options.differentiable) recording_->history(upstream.header(), "gradient");
  detail::RollBack roll_back(*recording_);
  std::vector<detail::PassResult> results;
  {
    detail::GradientPass pass(*recording_,
                              {.differentiable = options.differentiable, .retain = true});
    const std::uint32_t top = recording_->history(y.header(), "gradient");
    if (!recording_->notes.loss_of_backward) recording_->notes.loss = top;
    results = pass.run(top, upstream, distinct);
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto at =
        std::lower_bound(distinct.begin(), distinct.end(), wanted[i]) - distinct.begin();
    const detail::PassResult& r = results[static_cast<std::size_t>(at)];
    if (r.dense.defined()) {
      result[i] = r.dense;
    } else if (!r.rows.empty()) {
      result[i] = to_dense(rows_of(*recording_, r, wanted[i], x[i].shape(), x[i].dtype()));
    } else if (options.unreached == Unreached::zero) {
      result[i] = zeros(x[i].shape(), x[i].dtype());
    } else {
      fail_nowhere("gradient",
                   {.given = "y " + describe(y) + " does not depend on x " + describe(x[i]),
                    .needed = "an x that y was computed from",
                    .hint = "gradient(y, x, {.unreached = Unreached::zero})"});
    }
  }
  roll_back.keep();
}

}  // namespace unroll
