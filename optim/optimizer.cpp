#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/norm.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::optim {

using detail::is_frozen;
using detail::path_and_type;
using unroll::detail::Header;

// A parameter and the gradient it gets.
struct Optimizer::Work {
  Slot* slot;
  const Gradients::Entry* entry;
  Tensor values;                     // dense elements of the gradient, or of its rows
  std::vector<Tensor> moments = {};  // with new ones at the first step
};

Optimizer::~Optimizer() = default;

void Optimizer::require(bool holds, const char* option, double value, const char* needed) const {
  if (!holds)
    fail_nowhere(name_, {.given = std::string(option) + " is " + detail::number_text(value),
                         .needed = needed,
                         .hint = {}});
}

void Optimizer::add_group(std::span<const Tensor> parameters, double lr) {
  require(lr > 0 && std::isfinite(lr), "lr", lr, "lr > 0");
  if (parameters.empty() && first_lr_.empty())
    fail_nowhere(
        name_, {.given = "no parameters", .needed = "at least one", .hint = "model.parameters()"});
  auto by_header = slots_by_header_;
  auto slots = slots_;
  const Index group = std::ssize(first_lr_);
  for (const Tensor& p : parameters) {
    unroll::detail::require_defined(name_, "a parameter", p);
    if (unroll::detail::leaf_info(*p.header()) == nullptr)
      fail_nowhere(name_,
                   {.given = unroll::describe(p) + " is not a parameter",
                    .needed = "parameters of modules",
                    .hint = "model.parameters(), or std::array<Tensor, 2>{model.W, model.b}"});
    const auto [at, added] = by_header.try_emplace(p.header(), slots.size());
    if (!added)
      fail_nowhere(name_, {.given = path_and_type(p) + " is in group " +
                                    std::to_string(slots[at->second].group) + " already",
                           .needed = "each parameter once",
                           .hint = "model.parameters().where(…) chooses by path"});
    slots.push_back({.parameter = p, .group = group});
  }
  first_lr_.push_back(lr);
  if (group == 0) lr_ = lr;
  slots_ = std::move(slots);
  slots_by_header_ = std::move(by_header);
}

void Optimizer::set_lr(double lr) {
  require(lr >= 0 && std::isfinite(lr), "lr", lr, "lr >= 0");
  lr_ = lr;
}

double Optimizer::group_lr(Index group) const {
  // Not by way of the factor for the first: lr / first · first need not be lr.
  return group == 0 ? lr_ : first_lr_[static_cast<std::size_t>(group)] * (lr_ / first_lr_[0]);
}

StepResult Optimizer::step(const Gradients& gradients, const StepOptions& options) {
  check(options);
  check_dtypes();
  std::vector<Work> work = collect(gradients);
  StepResult result{.norm = checked_norm(work), .scale = 1};
  if (options.clip_norm > 0 && result.norm > options.clip_norm)
    result.scale = options.clip_norm / result.norm;
  double scale = result.scale;
  for (; scale < detail::least_factor; scale /= detail::least_factor)
    for (Work& w : work) w.values = detail::scaled(w.values, detail::least_factor);

  std::vector<detail::Job> jobs;
  jobs.reserve(work.size());
  for (Work& w : work) {
    const Slot& slot = *w.slot;
    detail::Plan plan = this->plan(slot.group, group_lr(slot.group), slot.steps + 1);
    plan.update.scale = scale;
    if (options.clip_value > 0) plan.update.limit = options.clip_value;
    if (detail::squares(plan.rule)) check_squares(w, plan.update, result.norm);
    w.moments = slot.moments;
    while (w.moments.size() < detail::moment_names(plan.rule).size())
      w.moments.push_back(full(slot.parameter.shape(), plan.initial, slot.parameter.dtype()));
    detail::Job job{.rule = plan.rule,
                    .update = plan.update,
                    .parameter = slot.parameter,
                    .gradient = w.values};
    std::copy(w.moments.begin(), w.moments.end(), job.moments.begin());
    if (w.entry->is_sparse()) {
      job.ids = w.entry->sparse.ids.span<Index>();
      job.sparse = true;
      job.all_rows = plan.all_rows;
    }
    jobs.push_back(std::move(job));
  }

  detail::run(jobs);  // from here on nothing throws
  ++steps_;
  for (Work& w : work) {
    unroll::detail::mark_changed(w.slot->parameter, "optimizer step", steps_);
    w.slot->moments.swap(w.moments);
    ++w.slot->steps;
  }
  return result;
}

std::vector<Optimizer::Work> Optimizer::collect(const Gradients& gradients) {
  std::vector<Work> work;
  work.reserve(static_cast<std::size_t>(gradients.size()));
  for (const Gradients::Entry& entry : gradients) {
    const auto found = slots_by_header_.find(entry.parameter.header());
    if (found == slots_by_header_.end() || is_frozen(entry.parameter)) continue;
    check_fits(entry);
    work.push_back({.slot = &slots_[found->second],
                    .entry = &entry,
                    .values = unroll::detail::dense_copy(entry.is_sparse() ? entry.sparse.values
                                                                           : entry.dense)});
  }
  return work;
}

void Optimizer::check(const StepOptions& options) const {
  require(options.clip_norm >= 0, "clip_norm", options.clip_norm, "clip_norm >= 0");
  require(options.clip_value >= 0, "clip_value", options.clip_value, "clip_value >= 0");
  if (options.clip_norm > 0 && options.clip_value > 0)
    fail_nowhere(name_,
                 {.given = "both clip_norm and clip_value",
                  .needed = "one of them",
                  .hint = "optim::clip_value(grads, 1), then step(grads, {.clip_norm = 5})"});
}

void Optimizer::check_dtypes() const {
  for (const Slot& slot : slots_) {
    const Header* held = slot.parameter.header();
    if (unroll::detail::leaf_info(*held)->current != held)
      fail_nowhere(name_,
                   {.given = path_and_type(slot.parameter) +
                             " has changed its dtype since the optimiser was given it",
                    .needed = "the parameter as it was",
                    .hint = "model.to(f64) first, then optim::Adam adam(model.parameters())"});
  }
}

void Optimizer::check_fits(const Gradients::Entry& entry) const {
  const Tensor& p = entry.parameter;
  const Tensor& values = entry.is_sparse() ? entry.sparse.values : entry.dense;
  bool fits = values.dtype() == p.dtype();
  if (entry.is_sparse()) {
    const auto ids = entry.sparse.ids.span<Index>();
    fits = fits && p.rank() == 2 && values.shape() == Shape{std::ssize(ids), p.size(1)};
    // Rows are written without another look.
    for (std::size_t i = 0; fits && i < ids.size(); ++i)
      fits = ids[i] < p.size(0) && (i == 0 ? ids[i] >= 0 : ids[i] > ids[i - 1]);
  } else {
    fits = fits && values.shape() == p.shape();
  }
  if (!fits)
    fail_nowhere(name_,
                 {.given = "gradient " + unroll::describe(values) +
                           (entry.is_sparse() ? " of some rows" : "") + " for " + path_and_type(p),
                  .needed = entry.is_sparse() ? "rows of the table, ids ascending and each once"
                                              : "the parameter's shape and dtype",
                  .hint = "tape.backward(loss) makes gradients that fit"});
}

double Optimizer::checked_norm(std::span<const Work> work) const {
  unroll::detail::NormSum sum;
  for (const Work& w : work) sum.add(w.values);
  const double norm = sum.norm();
  if (!std::isfinite(norm)) fail_non_finite(work);
  return norm;
}

void Optimizer::check_squares(const Work& work, const detail::Update& update, double norm) const {
  const DType dtype = work.values.dtype();
  const double most = 0.999 * std::sqrt(dtype == f32 ? std::numeric_limits<float>::max()
                                                     : std::numeric_limits<double>::max());
  if (std::min(norm, update.limit) <= most) return;  // always, but for wild gradients
  double largest = 0;
  visit_floating(dtype, [&]<class T>(T) {
    for (const T g : work.values.span<T>())
      largest = std::max(largest, static_cast<double>(std::abs(g)));
  });
  largest = std::min(update.scale * largest, update.limit);
  if (largest <= most) return;
  fail_nowhere(name_, {.given = "gradient of " + path_and_type(work.slot->parameter) + " reaches " +
                                detail::number_text(largest),
                       .needed = "a square within the range of " + std::string(name_of(dtype)) +
                                 "; nothing was changed",
                       .hint = "step(grads, {.clip_norm = 5})"});
}

void Optimizer::fail_non_finite(std::span<const Work> work) const {
  constexpr const char* needed = "finite values; nothing was changed";
  for (const Work& w : work) {
    unroll::detail::NonFinite found = unroll::detail::find_non_finite(w.values);
    if (found.first < 0) continue;
    if (w.entry->is_sparse()) {
      const Index columns = w.values.size(1);
      const Index row =
          w.entry->sparse.ids.span<Index>()[static_cast<std::size_t>(found.first / columns)];
      found.first = row * columns + found.first % columns;
    }
    const Tensor& p = w.slot->parameter;
    fail_nowhere(name_, {.given = "gradient of " + path_and_type(p) + " has " +
                                  unroll::detail::describe(found, p.shape()),
                         .needed = needed,
                         .hint = "Tape tape({.check_finite = true}) finds where it began"});
  }
  fail_nowhere(name_, {.given = "norm of finite gradients is beyond the range of f64",
                       .needed = needed,
                       .hint = "smaller weights, or a smaller loss"});
}

std::string Optimizer::describe() const {
  std::string text = std::string(name_) + "  " + std::to_string(std::ssize(slots_)) +
                     " parameters, " + std::to_string(steps_) + " steps\n";
  for (Index group = 0; group < std::ssize(first_lr_); ++group) {
    Index count = 0, elements = 0;
    std::string lines;
    for (const Slot& slot : slots_) {
      if (slot.group != group) continue;
      ++count;
      elements += slot.parameter.size();
      lines += "    " + path_and_type(slot.parameter) +
               (is_frozen(slot.parameter) ? "  frozen" : "") + "\n";
    }
    text += "  group " + std::to_string(group) + "  lr " + detail::number_text(group_lr(group)) +
            describe_options(group) + "  " + std::to_string(count) + " parameters, " +
            std::to_string(elements) + " elements\n" + lines;
  }
  return text;
}

namespace detail {

void check_covers(const ParameterList& parameters, const std::function<bool(const Tensor&)>& held) {
  std::string missing;
  Index count = 0;
  for (const auto& [path, tensor] : parameters) {
    if (is_frozen(tensor) || held(tensor)) continue;
    missing += (count++ == 0 ? "" : ", ") + path + " " + unroll::describe(tensor);
  }
  if (count > 0)
    fail_nowhere(
        "check_covers",
        {.given = std::to_string(count) + (count == 1 ? " parameter is" : " parameters are") +
                  " in no group: " + missing,
         .needed = "every parameter in a group, or frozen",
         .hint = "optimizer.add(model.head.parameters(), {.lr = 1e-3}), or model.head.freeze()"});
}

}  // namespace detail
}  // namespace unroll::optim
