#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/evaluation.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>

#include <algorithm>

namespace unroll::detail {
namespace {

// The unit vector e_i in the shape of x.
Tensor unit(const Tensor& x, Index i) {
  Tensor e = zeros(x.shape(), x.dtype());
  visit_floating(e.dtype(), [&]<class T>(T) { data<T>(e)[i] = 1; });
  return e;
}

// Where the elements of a tensor of this shape lie in a matrix: every `stride`-th from `offset` on.
Tensor part(const Tensor& matrix, const Shape& shape, Index stride, Index offset) {
  Layout layout = dense_layout(shape);
  for (Index& s : layout.strides) s *= stride;
  return make_view(*matrix.header(), shape.extents(),
                   {layout.strides.data(), shape.extents().size()}, offset);
}

std::vector<Tensor> zeros_of(std::span<const Tensor> x) {
  std::vector<Tensor> result;
  for (const Tensor& t : x) result.push_back(zeros(t.shape(), t.dtype()));
  return result;
}

std::vector<Tensor> values_of(std::vector<Tensor> x) {
  for (Tensor& t : x) t = as_value(t);
  return x;
}

}  // namespace

Tensor as_value(const Tensor& y) {
  Tensor value = detach(y);
  if (!y.header()->block()->is(Header::leaf)) return value;
  Tensor copy = empty(y.shape(), y.dtype());
  copy_elements(value, copy);
  return copy;
}

Evaluation::Evaluation(const char* operation, const DerivativeOptions& options)
    : operation_(operation),
      stream_(options.seed),
      outer_(tapes.current),
      tape_({.training = options.training, .rng = &stream_}),
      recording_(*tapes.top) {}

// Results are values: what an outer tape records would lose its history here without a word.
void Evaluation::check_given(const std::string& name, const Tensor& x) const {
  if (x.header()->is(Header::leaf) || x.header()->tape == 0) return;
  check_not_elsewhere(*x.header(), operation_);
  if (outer_ == nullptr) return;
  fail(operation_,
       {.given = name + " " + describe(x) + " has a history on another tape",
        .needed = "a value without history, as the result has none",
        .hint = "detach(" + name + "), or tape.gradient(y, x, {.differentiable = true})"});
}

void Evaluation::check_against(const std::string& name, std::span<const Tensor> given,
                               const std::string& of_name, std::span<const Tensor> of,
                               std::span<const std::string> names) const {
  if (given.size() != of.size())
    fail(operation_, {.given = name + " of " + std::to_string(given.size()) + " tensors for " +
                               of_name + " of " + std::to_string(of.size()),
                      .needed = "as many",
                      .hint = name + " is a state like " + of_name});
  for (std::size_t i = 0; i < of.size(); ++i) {
    const std::string field = names.empty() ? "" : names[i].substr(of_name.size());
    if (given[i].shape() != of[i].shape() || given[i].dtype() != of[i].dtype())
      fail(operation_, {.given = name + field + " " + describe(given[i]) + " for " + of_name +
                                 field + " " + describe(of[i]),
                        .needed = "equal shapes and dtypes",
                        .hint = "zeros_like(" + of_name + field + ") has these"});
    check_given(name + field, given[i]);
  }
}

Tensor Evaluation::watch_tensor(const Tensor& x) {
  const std::string& name = x_names_[x_.size()];
  if (!is_floating(x.dtype()))
    fail(operation_,
         {.given = name + " " + describe(x),
          .needed = "f32 or f64",
          .hint = "tensor({1.0, 2.0}, f64); ids are captured: [&](const Tensor& x) { … ids … }"});
  check_given(name, x);
  return x_.emplace_back(tape_.watch(x));
}

void Evaluation::check_point() const {
  if (x_.empty())
    fail(operation_, {.given = "x is undefined, or a state without tensors",
                      .needed = "something to differentiate by",
                      .hint = "zeros({3}, f64)"});
}

void Evaluation::watch_parameters(const ParameterList& parameters) {
  for (const auto& [path, parameter] : parameters)
    if (recording_.history(parameter.header(), operation_) != no_value) x_.push_back(parameter);
}

bool Evaluation::depends(const Tensor& y) const {
  return recording_.history(y.header(), operation_) != no_value;
}

void Evaluation::add_result(const Tensor& y) {
  const std::string name = y_names_.empty() ? "f(x)" : y_names_[y_.size()];
  if (!is_floating(y.dtype()))
    fail(operation_,
         {.given = "f returned " + describe(y) + (name == "f(x)" ? "" : " as " + name),
          .needed = "f32 or f64",
          .hint = "positions have no derivative: return max(x, -1), not argmax(x, -1)"});
  y_.push_back(y);
}

void Evaluation::set_result(const Tensor& y) {
  require_defined(operation_, "what f returned", y);
  add_result(y);
}

void Evaluation::set_loss(const Tensor& y) {
  set_result(y);
  if (y.size() != 1)
    fail(operation_, {.given = "f returned " + describe(y),
                      .needed = "one element",
                      .hint = "return sum(y), or jacobian(f, x)"});
}

// Σ w·y over those y that depend on something; undefined where none does.
Tensor Evaluation::weighted_sum(std::span<const Tensor> y, std::span<const Tensor> weights) {
  Tensor total;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!depends(y[i])) continue;
    const Tensor term = sum(y[i] * weights[i]);
    total = total.defined() ? total + term.to(total.dtype()) : term;
  }
  return total;
}

std::vector<Tensor> Evaluation::pull_back(std::span<const Tensor> y, std::span<const Tensor> u,
                                          std::span<const Tensor> x, GradientOptions options) {
  options.unreached = Unreached::zero;
  if (y.size() != 1) {
    const Tensor total = weighted_sum(y, u);
    return total.defined() ? tape_.gradient(total, x, options) : zeros_of(x);
  }
  if (!depends(y[0])) return zeros_of(x);
  options.upstream = u[0];
  return tape_.gradient(y[0], x, options);
}

std::vector<Tensor> Evaluation::gradient() {
  const Tensor one = ones_like(y_[0]);
  return values_of(pull_back(y_, {&one, 1}, x_, {}));
}

std::vector<Tensor> Evaluation::vjp(std::span<const Tensor> u) {
  check_against("u", u, "f(x)", y_, y_names_);
  return values_of(pull_back(y_, u, x_, {}));
}

std::vector<Tensor> Evaluation::jvp(std::span<const Tensor> v) {
  check_against("v", v, "x", x_, x_names_);
  std::vector<Tensor> u;
  for (const Tensor& y : y_) u.push_back(tape_.watch(zeros(y.shape(), y.dtype())));
  const auto w = pull_back(y_, u, x_, {.differentiable = true});
  return values_of(pull_back(w, v, u, {}));
}

std::vector<Tensor> Evaluation::recorded_gradient() {
  const Tensor one = ones_like(y_[0]);
  return pull_back(y_, {&one, 1}, x_, {.differentiable = true});
}

std::vector<Tensor> Evaluation::hvp(std::span<const Tensor> v) {
  check_against("v", v, "x", x_, x_names_);
  return values_of(pull_back(recorded_gradient(), v, x_, {}));
}

std::vector<Tensor> Evaluation::jacobian(JacobianBy by) {
  const Tensor& y = y_[0];
  Index columns = 0;
  std::vector<Tensor> jacobians;
  for (const Tensor& x : x_) {
    columns += x.size();
    if (y.rank() + x.rank() > Shape::max_rank)
      fail(operation_, {.given = "f returned " + describe(y) + " of x " + describe(x),
                        .needed = "at most 8 axes together",
                        .hint = "return reshape(y, {-1})"});
    Shape shape = y.shape();
    for (const Index extent : x.shape()) shape = shape.inserted(shape.rank(), extent);
    jacobians.push_back(zeros(shape, x.dtype()));
  }
  if (!depends(y) || y.size() == 0) return jacobians;
  if (by == JacobianBy::cheaper) by = columns < y.size() ? JacobianBy::columns : JacobianBy::rows;
  if (by == JacobianBy::rows)
    fill_by_rows(jacobians);
  else
    fill_by_columns(jacobians);
  return jacobians;
}

void Evaluation::fill_by_rows(std::span<const Tensor> jacobians) {
  const Tensor& y = y_[0];
  for (Index row = 0; row < y.size(); ++row) {
    const Tensor e = unit(y, row);
    const auto g = pull_back(y_, {&e, 1}, x_, {});
    for (std::size_t k = 0; k < g.size(); ++k)
      copy_elements(detach(g[k]), part(jacobians[k], x_[k].shape(), 1, row * x_[k].size()));
  }
}

void Evaluation::fill_by_columns(std::span<const Tensor> jacobians) {
  const Tensor& y = y_[0];
  const Tensor u = tape_.watch(zeros(y.shape(), y.dtype()));
  const auto w = pull_back(y_, {&u, 1}, x_, {.differentiable = true});
  for (std::size_t k = 0; k < w.size(); ++k) {
    for (Index column = 0; column < x_[k].size() && depends(w[k]); ++column) {
      const Tensor e = unit(x_[k], column);
      const auto t = pull_back({&w[k], 1}, {&e, 1}, {&u, 1}, {});
      copy_elements(detach(t[0]).to(x_[k].dtype()),
                    part(jacobians[k], y.shape(), x_[k].size(), column));
    }
  }
}

Tensor Evaluation::hessian() {
  Index n = 0;
  for (const Tensor& x : x_) {
    n += x.size();
    if (x.dtype() != x_[0].dtype())
      fail(operation_, {.given = "tensors of " + describe(x_[0]) + " and " + describe(x),
                        .needed = "one dtype",
                        .hint = "x.to(f64)"});
  }
  Tensor h = zeros({n, n}, x_.empty() ? y_[0].dtype() : x_[0].dtype());
  const auto w = recorded_gradient();
  Index row = 0;
  for (const Tensor& of : w) {
    const bool is_constant = !depends(of);
    for (Index i = 0; i < of.size(); ++i, ++row) {
      if (is_constant) continue;
      const Tensor e = unit(of, i);
      Index column = 0;
      for (const Tensor& g : pull_back({&of, 1}, {&e, 1}, x_, {})) {
        copy_elements(detach(g), part(h, g.shape(), 1, row * n + column));
        column += g.size();
      }
    }
  }
  return h;
}

Tensor Evaluation::hessian_of_tensor() {
  const Tensor& x = x_[0];
  if (2 * x.rank() > Shape::max_rank)
    fail(operation_, {.given = "x " + describe(x),
                      .needed = "at most 4 axes",
                      .hint = "reshape(x, {-1}), and back in f"});
  Shape shape = x.shape();
  for (const Index extent : x.shape()) shape = shape.inserted(shape.rank(), extent);
  return reshape(hessian(), shape);
}

Gradients Evaluation::backward() {
  Gradients gradients;
  if (depends(y_[0])) gradients = tape_.backward(y_[0], x_);
  for (const Tensor& x : x_)
    if (!gradients.contains(x))
      gradients.insert(
          {.parameter = x, .path = leaf_path(*x.header()), .dense = zeros(x.shape(), x.dtype())});
  return gradients;
}

std::vector<Tensor> Evaluation::direction(const Gradients& gradients) const {
  std::vector<Tensor> v;
  for (const Tensor& x : x_)
    v.push_back(gradients.contains(x) ? gradients[x] : zeros(x.shape(), x.dtype()));
  return v;
}

Gradients Evaluation::as_gradients(std::vector<Tensor> of_parameters) const {
  Gradients gradients;
  for (std::size_t k = 0; k < x_.size(); ++k)
    gradients.insert({.parameter = x_[k],
                      .path = leaf_path(*x_[k].header()),
                      .dense = std::move(of_parameters[k])});
  return gradients;
}

PerParameter Evaluation::as_per_parameter(std::vector<Tensor> of_parameters) const {
  PerParameter result;
  for (std::size_t k = 0; k < x_.size(); ++k)
    result.add({.parameter = x_[k],
                .path = leaf_path(*x_[k].header()),
                .value = std::move(of_parameters[k])});
  return result;
}

PerParameter room_for_samples(const ParameterList& parameters, Index count) {
  PerParameter room;
  for (const auto& [path, p] : parameters)
    if (!p.header()->is(Header::frozen))
      room.add({.parameter = p,
                .path = leaf_path(*p.header()),
                .value = empty(p.shape().inserted(0, count), p.dtype())});
  return room;
}

void put_sample(const Gradients& gradients, const PerParameter& into, Index b) {
  for (const auto& [parameter, path, all] : into)
    copy_elements(gradients[parameter], part(all, parameter.shape(), 1, b * parameter.size()));
}

std::uint64_t seed_of_sample(std::uint64_t seed, Index b) {
  return Rng(seed).split("sample " + std::to_string(b)).next();
}

}  // namespace unroll::detail
