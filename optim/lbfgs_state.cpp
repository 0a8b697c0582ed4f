#include <unroll/autograd/create.h>
#include <unroll/optim/detail/flat.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/detail/state_reader.h>
#include <unroll/optim/lbfgs.h>

#include <algorithm>
#include <utility>

namespace unroll::optim {
namespace {

using Vector = std::vector<double>;

// Vectors that stand behind each other as the parameters do, cut and joined.
std::vector<StateEntry> cut(const Vector& x, std::span<const Tensor> parameters,
                            std::span<const std::string> names, const std::string& what) {
  std::vector<StateEntry> parts;
  std::size_t at = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto n = static_cast<std::size_t>(parameters[i].size());
    parts.push_back({names[i] + "." + what,
                     from(std::span<const double>(x).subspan(at, n), parameters[i].shape())});
    at += n;
  }
  return parts;
}

Vector joined(detail::StateReader& reader, std::span<const Tensor> parameters,
              std::span<const std::string> names, const std::string& what) {
  Vector x;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor part = reader.take(names[i] + "." + what, parameters[i].shape(), f64);
    if (!part.defined()) continue;
    const Tensor dense = detail::copy_of(part);
    x.insert(x.end(), dense.span<double>().begin(), dense.span<double>().end());
  }
  return x;
}

std::vector<std::string> unique_names(std::span<const Tensor> parameters) {
  detail::UniqueNames unique;
  std::vector<std::string> names;
  names.reserve(parameters.size());
  for (const Tensor& p : parameters) names.push_back(unique.of(p));
  return names;
}

}  // namespace

std::vector<StateEntry> LBFGS::state() const {
  const std::vector<std::string> names = unique_names(parameters_);
  std::vector<StateEntry> entries{{"lr", detail::saved(lr_)},
                                  {"steps", detail::saved(steps_)},
                                  {"started", detail::saved(Index{memory_.started})},
                                  {"pending", detail::saved(Index{!memory_.step.empty()})},
                                  {"pairs", detail::saved(std::ssize(memory_.pairs))}};
  const auto add = [&](const Vector& x, const std::string& what) {
    for (StateEntry& e : cut(x, parameters_, names, what)) entries.push_back(std::move(e));
  };
  for (std::size_t i = 0; i < memory_.frozen.size(); ++i)
    entries.push_back({names[i] + ".frozen", detail::saved(Index{memory_.frozen[i]})});
  if (!memory_.step.empty()) {
    add(memory_.step, "step");
    add(memory_.gradient, "gradient");
  }
  for (std::size_t k = 0; k < memory_.pairs.size(); ++k) {
    add(memory_.pairs[k]->s, "s" + std::to_string(k));
    add(memory_.pairs[k]->y, "y" + std::to_string(k));
  }
  return entries;
}

void LBFGS::restore(std::span<const StateEntry> entries) {
  const std::vector<std::string> names = unique_names(parameters_);
  detail::StateReader reader(entries);
  const double lr = reader.take_number("lr", 0);
  const Index steps = reader.take_count("steps");
  Memory memory{.started = reader.take_count("started") > 0};
  const bool pending = reader.take_count("pending") > 0;
  const Index pairs = reader.take_count("pairs");
  if (pairs > options_.history)
    reader.complain("pairs is " + std::to_string(pairs) + " with a history of " +
                    std::to_string(options_.history));
  if (steps > 0)
    for (const std::string& name : names)
      memory.frozen.push_back(reader.take_count(name + ".frozen") > 0);
  if (pending) {
    memory.step = joined(reader, parameters_, names, "step");
    memory.gradient = joined(reader, parameters_, names, "gradient");
  }
  for (Index k = 0; k < std::min(pairs, options_.history); ++k) {
    auto pair = std::make_shared<Pair>();
    pair->s = joined(reader, parameters_, names, "s" + std::to_string(k));
    pair->y = joined(reader, parameters_, names, "y" + std::to_string(k));
    if (pair->s.size() == pair->y.size()) pair->curvature = detail::dot(pair->s, pair->y);
    memory.pairs.push_back(std::move(pair));
  }
  reader.finish("lbfgs");
  lr_ = lr;
  steps_ = steps;
  memory_ = std::move(memory);
}

std::string LBFGS::describe() const {
  std::string text = "lbfgs  " + std::to_string(std::ssize(parameters_)) + " parameters, " +
                     std::to_string(elements_) + " elements, " + std::to_string(steps_) +
                     " steps\n  " + detail::option_text({{"lr", lr_}}).substr(2);
  text += detail::option_text({{"iterations", static_cast<double>(options_.iterations)},
                               {"history", static_cast<double>(options_.history)}});
  return text + (options_.line_search == LineSearch::none ? ", no line search\n" : "\n");
}

}  // namespace unroll::optim
