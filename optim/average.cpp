#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/norm.h>
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/parallel.h>
#include <unroll/optim/average.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/detail/state_reader.h>

#include <algorithm>
#include <cmath>

namespace unroll::optim {
namespace {

using detail::path_and_type;
using unroll::detail::data;
using unroll::detail::leaf_info;

constexpr Index grain = 32768;

// a += part · (p - a)
void approach(const Tensor& a, const Tensor& p, double part) {
  visit_floating(p.dtype(), [&]<class T>(T) {
    double* to = data<double>(a);
    const T* from = data<T>(p);
    unroll::detail::parallel_for(p.size(), grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) to[i] += part * (static_cast<double>(from[i]) - to[i]);
    });
  });
}

// The leaf that has taken the place of p where its module has changed its dtype.
Tensor current(const Tensor& p) {
  const auto& info = leaf_info(*p.header());
  if (info->owner == nullptr || info->current == p.header()) return p;
  auto* header = const_cast<unroll::detail::Header*>(info->current);
  unroll::detail::retain(header);
  return Tensor::adopt(header);
}

}  // namespace

Average::Average(std::span<const Tensor> parameters, const AverageOptions& options)
    : options_(options) {
  if (!(options.decay >= 0 && options.decay <= 1))
    fail_nowhere("average", {.given = "decay is " + detail::number_text(options.decay),
                             .needed = "0 <= decay <= 1",
                             .hint = {}});
  if (parameters.empty())
    fail_nowhere(
        "average",
        {.given = "no parameters", .needed = "at least one", .hint = "model.parameters()"});
  for (const Tensor& p : parameters) {
    unroll::detail::require_defined("average", "a parameter", p);
    if (leaf_info(*p.header()) == nullptr)
      fail_nowhere("average", {.given = describe(p) + " is not a parameter",
                               .needed = "parameters of modules",
                               .hint = "model.parameters()"});
    if (std::any_of(parameters_.begin(), parameters_.end(),
                    [&](const Tensor& other) { return other.header() == p.header(); }))
      fail_nowhere("average", {.given = path_and_type(p) + " is there twice",
                               .needed = "each parameter once",
                               .hint = {}});
    parameters_.push_back(p);
    averages_.push_back(zeros(p.shape(), f64));
  }
}

void Average::check_usable(const char* what) const {
  if (*swapped_)
    fail_nowhere("average", {.given = std::string(what) + " while parameters are swapped",
                             .needed = "the parameters themselves",
                             .hint = "{ const auto swapped = average.swap(); validate(model); }"});
  for (const Tensor& p : parameters_)
    if (leaf_info(*p.header())->current != p.header())
      fail_nowhere("average", {.given = path_and_type(p) +
                                        " has changed its dtype since the average was given it",
                               .needed = "the parameter as it was",
                               .hint = "model.to(f64) first, then optim::Average average(…)"});
}

void Average::update() {
  check_usable("update");
  unroll::detail::NormSum norm;
  for (const Tensor& p : parameters_) norm.add(p);
  for (const Tensor& p : parameters_) {
    if (std::isfinite(norm.norm())) break;
    const unroll::detail::NonFinite found = unroll::detail::find_non_finite(p);
    if (found.first >= 0)
      fail_nowhere("average", {.given = path_and_type(p) + " has " +
                                        unroll::detail::describe(found, p.shape()),
                               .needed = "finite parameters; nothing was changed",
                               .hint = "Tape tape({.check_finite = true})"});
  }
  ++updates_;
  const double part = updates_ == 1                            ? 1
                      : options_.averaging == Averaging::equal ? 1 / static_cast<double>(updates_)
                                                               : 1 - options_.decay;
  for (std::size_t i = 0; i < parameters_.size(); ++i) approach(averages_[i], parameters_[i], part);
}

Average::Swapped Average::swap() {
  check_usable("swap");
  if (updates_ == 0)
    fail_nowhere("average", {.given = "swap before the first update",
                             .needed = "an average",
                             .hint = "average.update() behind adam.step(grads)"});
  return Swapped(*this);
}

Average::Swapped::Swapped(const Average& average)
    : parameters_(average.parameters_), flag_(average.swapped_) {
  std::vector<Tensor> rounded;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    originals_.push_back(detail::copy_of(parameters_[i]));
    rounded.push_back(average.averages_[i].to(parameters_[i].dtype()));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    unroll::detail::overwrite(parameters_[i], rounded[i], "swap of an average");
  *flag_ = true;
}

Average::Swapped::~Swapped() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor p = current(parameters_[i]);
    unroll::detail::overwrite(p, originals_[i].to(p.dtype()), "swap of an average");
  }
  *flag_ = false;
}

Tensor Average::operator[](const Tensor& parameter) const {
  unroll::detail::require_defined("average", "parameter", parameter);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].header() == parameter.header()) return detail::copy_of(averages_[i]);
  fail_nowhere("average", {.given = "no average of " + path_and_type(parameter),
                           .needed = "a parameter that was given to it",
                           .hint = "optim::Average average(model.parameters())"});
}

std::vector<std::string> Average::names() const {
  detail::UniqueNames unique;
  std::vector<std::string> names;
  names.reserve(parameters_.size());
  for (const Tensor& p : parameters_) names.push_back(unique.of(p) + ".average");
  return names;
}

std::vector<StateEntry> Average::state() const {
  std::vector<StateEntry> entries{{"updates", detail::saved(updates_)}};
  const std::vector<std::string> name = names();
  for (std::size_t i = 0; i < name.size(); ++i)
    entries.push_back({name[i], detail::copy_of(averages_[i])});
  return entries;
}

void Average::restore(std::span<const StateEntry> entries) {
  detail::StateReader reader(entries);
  const Index updates = reader.take_count("updates");
  const std::vector<std::string> name = names();
  std::vector<Tensor> averages;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const Tensor saved = reader.take(name[i], parameters_[i].shape(), f64);
    if (saved.defined()) averages.push_back(detail::copy_of(saved));
  }
  reader.finish("average", "average or model");
  updates_ = updates;
  averages_ = std::move(averages);
}

}  // namespace unroll::optim
