#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradcheck_problem.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/ops/views.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

bool any_history(const Tensor& x) {
  return x.header()->tape != 0 || (x.header()->is(Header::leaf) && !x.header()->is(Header::frozen));
}

// Values of a tape that one depends on.
std::vector<bool> under(const Recording& tape, std::uint32_t top) {
  std::vector<bool> needed(tape.values.size());
  needed[top] = true;
  for (std::size_t n = tape.nodes.size(); n-- > 0;) {
    const Node& node = tape.nodes[n];
    bool any = false;
    for (std::uint32_t k = 0; k < node.outputs; ++k) any = any || needed[node.first_output + k];
    const std::uint32_t* const inputs = tape.inputs_of(node);
    for (std::uint32_t k = 0; any && k < node.inputs; ++k)
      if (inputs[k] != no_value) needed[inputs[k]] = true;
  }
  return needed;
}

// One vector of all floating tensors.
Tensor joined(const std::vector<Tensor>& all) {
  std::vector<Tensor> flat;
  flat.reserve(all.size());
  for (const Tensor& x : all) flat.push_back(reshape(x, {x.size()}));
  return flat.size() == 1 ? flat.front() : concat(flat, 0);
}

std::vector<Tensor> floating(const CheckedFunction& checked, std::vector<Tensor> all) {
  const std::string kinds = all.empty() ? "nothing" : describe(all.front());
  std::erase_if(all, [](const Tensor& x) { return !is_floating(x.dtype()); });
  if (all.empty())
    fail_nowhere(checked.operation, {.given = "the function returns " + kinds,
                                     .needed = "a Tensor of f64, or a state with one",
                                     .hint = "whole numbers have no derivative"});
  return all;
}

void check_finite_input(const char* operation, const CheckedInput& input, const Numbers& at) {
  const auto bad = std::find_if(at.begin(), at.end(), [](double v) { return !std::isfinite(v); });
  if (bad == at.end()) return;
  fail_nowhere(operation, {.given = input.name + " " + describe(input.value) + " has " +
                                    (std::isnan(*bad) ? "NaN" : "Inf") + " at " +
                                    index_text(bad - at.begin(), input.value.shape()),
                           .needed = "finite values",
                           .hint = {}});
}

std::vector<Tensor> given_to(const CheckedFunction& checked, std::span<const Numbers> point,
                             const Recorded::Options& options) {
  std::vector<Tensor> given;
  std::size_t at = 0;
  for (const CheckedInput& input : checked.inputs) {
    if (!is_floating(input.value.dtype())) {
      given.push_back(input.value);
      continue;
    }
    if (!input.is_parameter) {
      given.push_back(from(std::span<const double>(point[at]), input.value.shape()));
      if (options.single) given.back() = given.back().to(f32);
      if (options.gaps) given.back() = with_gaps(given.back());
    }
    ++at;
  }
  return given;
}

}  // namespace

Tensor with_gaps(const Tensor& x) {
  const Tensor flat = reshape(x, {x.size(), 1});
  const Tensor wide = concat({flat, full({x.size(), 1}, std::nan(""), x.dtype())}, 1);
  Shape shape = x.shape();
  std::vector<Index> strides(static_cast<std::size_t>(shape.rank()));
  Index stride = 2;
  for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  return make_view(*wide.header(), shape.extents(), strides, 0);
}

std::vector<Index> index_of(Index position, const Shape& shape) {
  std::vector<Index> index(static_cast<std::size_t>(shape.rank()));
  for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<std::size_t>(axis)] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}

Tensor vector_of(const Numbers& numbers) {
  return from(std::span<const double>(numbers), {std::ssize(numbers)});
}

Numbers numbers_of(const Tensor& x) {
  const Tensor dense = dense_copy(detach(x)).to(f64);
  const auto all = dense.span<double>();
  return {all.begin(), all.end()};
}

Recorded::Recorded(const CheckedFunction& checked, std::span<const Numbers> point,
                   const Options& options)
    : checked_(checked), tape_(checked), recording_(*tapes.top) {
  auto given = given_to(checked, point, options);
  std::ptrdiff_t number = 0;
  std::size_t at = 0;
  for (const CheckedInput& input : checked.inputs) {
    if (input.is_parameter) continue;
    Tensor& x = given[at++];
    if (!is_floating(x.dtype())) continue;
    if (options.alone < 0 || options.alone == number) x = tape_->watch(x);
    ++number;
  }
  auto results = floating(checked, checked.f(given));
  for (Tensor& y : results)
    if (!options.single) y = y.to(f64);
  values_ = results.size() == 1 ? results.front() : joined(results);
  const std::uint32_t top = recording_.history(values_.header(), checked.operation);
  const std::vector<bool> reached = top != no_value ? under(recording_, top) : std::vector<bool>();
  at = 0;
  for (const CheckedInput& input : checked.inputs) {
    const Tensor& x = input.is_parameter ? input.value : given[at++];
    if (!is_floating(x.dtype())) continue;
    const std::uint32_t value = recording_.history(x.header(), checked.operation);
    const bool is_reached = value < reached.size() && reached[value];
    leaves_.push_back(is_reached ? x : Tensor());
    reaches_any_ = reaches_any_ || is_reached;
    reaches_parameters_ = reaches_parameters_ || (is_reached && input.is_parameter);
  }
}

std::string Recorded::hooked() const {
  return recording_.hooked == no_value ? std::string()
                                       : name_of_value(recording_, recording_.hooked);
}

std::vector<Tensor> Recorded::gradient(const Tensor& upstream, bool differentiable) {
  std::vector<Tensor> result(leaves_.size());
  std::vector<Tensor> wanted;
  std::vector<std::size_t> position;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    if (!leaves_[i].defined()) continue;
    wanted.push_back(leaves_[i]);
    position.push_back(i);
  }
  if (wanted.empty()) return result;
  const auto found = tape_->gradient(
      values_, wanted,
      {.upstream =
           upstream.shape() == values_.shape() ? upstream : reshape(upstream, values_.shape()),
       .differentiable = differentiable,
       .unreached = Unreached::zero});
  for (std::size_t i = 0; i < found.size(); ++i) result[position[i]] = found[i];
  return result;
}

std::vector<Tensor> Recorded::backward(const Tensor& upstream) {
  std::vector<Tensor> result(leaves_.size());
  std::vector<Tensor> parameters;
  for (const CheckedInput& input : checked_.inputs)
    if (input.is_parameter) parameters.push_back(input.value);
  const Gradients all = tape_->backward(
      values_, parameters, {.upstream = reshape(upstream, values_.shape()), .retain = true});
  std::size_t number = 0;
  for (const CheckedInput& input : checked_.inputs) {
    if (!is_floating(input.value.dtype())) continue;
    if (input.is_parameter && all.contains(input.value)) result[number] = all[input.value];
    ++number;
  }
  return result;
}

Numbers Recorded::forward(const std::vector<Numbers>& v) {
  const Tensor u = tape_->watch(zeros(values_.shape(), f64));
  const auto gradients = gradient(u, true);
  std::vector<Tensor> reached;
  Numbers along;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined() || !any_history(gradients[i])) continue;
    reached.push_back(gradients[i]);
    along.insert(along.end(), v[i].begin(), v[i].end());
  }
  if (reached.empty()) return Numbers(static_cast<std::size_t>(values_.size()), 0.0);
  return numbers_of(tape_->gradient(joined(reached), u,
                                    {.upstream = vector_of(along), .unreached = Unreached::zero}));
}

bool Problem::evaluate(Numbers& y) {
  ++evaluations_;
  try {
    evaluate_into(y);
  } catch (const Error& e) {
    if (e.operation() == operation_) throw;
    last_error_ = e.what();
    return false;
  }
  return y.empty() || std::any_of(y.begin(), y.end(), [](double v) { return std::isfinite(v); });
}

Numbers Problem::first_values() {
  ++evaluations_;
  Numbers y;
  evaluate_into(y);
  return y;
}

FirstOrder::FirstOrder(CheckedFunction& checked) : checked_(checked), kept_(checked.inputs) {
  operation_ = checked.operation;
  for (std::size_t i = 0; i < checked.inputs.size(); ++i) {
    const CheckedInput& input = checked.inputs[i];
    if (!is_floating(input.value.dtype())) continue;
    point_.push_back(numbers_of(input.value));
    position_.push_back(i);
    double squares = 0;
    double most = 0;
    for (const double v : point_.back()) most = std::max(most, std::abs(v));
    check_finite_input(checked.operation, input, point_.back());
    for (const double v : point_.back()) squares += most > 0 ? (v / most) * (v / most) : 0;
    const double mean =
        squares / static_cast<double>(std::max<std::size_t>(point_.back().size(), 1));
    inputs_.push_back({.name = input.name,
                       .shape = input.value.shape(),
                       .at = point_.back(),
                       .scale = most > 0 ? most * std::sqrt(mean) : 1,
                       .is_parameter = input.is_parameter});
  }
}

void FirstOrder::move(std::size_t input, Index element, double value) {
  point_[input][static_cast<std::size_t>(element)] = value;
  const CheckedInput& moved = checked_.inputs[position_[input]];
  if (!moved.is_parameter) return;
  data<double>(moved.value)[element] = value;
  kept_.changed(moved.value);
}

void FirstOrder::move(std::size_t input, std::span<const double> values) {
  std::copy(values.begin(), values.end(), point_[input].begin());
  const CheckedInput& moved = checked_.inputs[position_[input]];
  if (!moved.is_parameter) return;
  std::copy(values.begin(), values.end(), data<double>(moved.value));
  kept_.changed(moved.value);
}

void FirstOrder::evaluate_into(Numbers& y) {
  const EvaluationTape tape(checked_);
  const auto results = floating(checked_, checked_.f(given_to(checked_, point_, {})));
  kept_.check_unchanged(checked_.operation);
  if (!known_) {
    for (const Tensor& r : results) {
      results_.push_back({.shape = r.shape(), .from = outputs_});
      outputs_ += r.size();
    }
    known_ = true;
  }
  bool same = results.size() == results_.size();
  for (std::size_t i = 0; same && i < results.size(); ++i)
    same = results[i].shape() == results_[i].shape;
  if (!same)
    fail_nowhere(checked_.operation,
                 {.given = "the function returned " + to_string(results_[0].shape) +
                           " at first and " + describe(results[0]) + " later",
                  .needed = "one shape at every call",
                  .hint = "a function of its inputs and of parameters alone"});
  y.clear();
  for (const Tensor& r : results) {
    const Numbers some = numbers_of(r);
    y.insert(y.end(), some.begin(), some.end());
  }
}

Numbers FirstOrder::numbers(const Tensor& gradient, std::size_t input) const {
  if (gradient.defined()) return numbers_of(gradient);
  return Numbers(point_[input].size(), 0.0);
}

std::vector<std::vector<Numbers>> FirstOrder::products(std::span<const Numbers> weights) {
  Recorded recorded(checked_, point_);
  ++evaluations_;
  std::vector<std::vector<Numbers>> all;
  for (const Numbers& w : weights) {
    const auto gradient = recorded.gradient(vector_of(w));
    all.emplace_back();
    for (std::size_t i = 0; i < inputs_.size(); ++i) all.back().push_back(numbers(gradient[i], i));
  }
  kept_.check_unchanged(checked_.operation);
  return all;
}

SecondOrder::SecondOrder(FirstOrder& first, const Numbers& weights)
    : first_(first), weights_(weights) {
  operation_ = first.checked().operation;
  inputs_ = first.inputs();
  for (const Input& input : inputs_) {
    results_.push_back({.shape = input.shape, .from = outputs_});
    outputs_ += input.shape.size();
  }
  inputs_.push_back({.name = "upstream", .shape = {first.outputs()}, .at = weights});
}

void SecondOrder::move(std::size_t input, Index element, double value) {
  if (input + 1 == inputs_.size())
    weights_[static_cast<std::size_t>(element)] = value;
  else
    first_.move(input, element, value);
}

void SecondOrder::move(std::size_t input, std::span<const double> values) {
  if (input + 1 == inputs_.size())
    weights_.assign(values.begin(), values.end());
  else
    first_.move(input, values);
}

void SecondOrder::evaluate_into(Numbers& y) {
  first_.count_evaluation();
  y.clear();
  const auto all = first_.products({&weights_, 1});
  for (const Numbers& g : all.front()) y.insert(y.end(), g.begin(), g.end());
}

std::vector<std::vector<Numbers>> SecondOrder::products(std::span<const Numbers> weights) {
  Recorded recorded(first_.checked(), first_.point());
  ++evaluations_;
  const Tensor upstream = recorded.tape().watch(vector_of(weights_));
  auto gradients = recorded.gradient(upstream, true);
  std::vector<Tensor> reached;
  std::vector<std::pair<Index, Index>> pieces;  // of the weights
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined() || !any_history(gradients[i])) continue;
    reached.push_back(gradients[i]);
    pieces.emplace_back(results_[i].from, results_[i].from + results_[i].shape.size());
  }
  std::vector<Tensor> wanted = recorded.with_respect_to();
  wanted.push_back(upstream);
  const Tensor y = reached.empty() ? Tensor() : joined(reached);
  std::vector<Tensor> defined;
  for (const Tensor& x : wanted)
    if (x.defined()) defined.push_back(x);
  std::vector<std::vector<Numbers>> all;
  for (const Numbers& w : weights) {
    Numbers chosen;
    for (const auto& [from, to] : pieces)
      chosen.insert(chosen.end(), w.begin() + from, w.begin() + to);
    std::vector<Tensor> found;
    if (y.defined())
      found = recorded.tape().gradient(
          y, defined, {.upstream = vector_of(chosen), .unreached = Unreached::zero});
    all.emplace_back();
    std::size_t next = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      all.back().push_back(y.defined() && wanted[i].defined() ? numbers_of(found[next++])
                                                              : Numbers(inputs_[i].at.size(), 0.0));
  }
  return all;
}

}  // namespace unroll::detail
