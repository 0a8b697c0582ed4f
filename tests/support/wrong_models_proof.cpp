#include <algorithm>
#include <cmath>

#include "support/recurrent_layers.h"
#include "support/wrong_models.h"

namespace unroll::test {
namespace {

using Tensors = std::vector<Tensor>;

const Rng& fixed_key() {
  static const Rng key(41);
  return key;
}

Tensors gradients(const ModelCase& c, const Tensors& parameters) {
  Tape tape({.training = c.training, .rng = &fixed_key()});
  return tape.gradient(c.loss(), parameters, {.unreached = Unreached::zero});
}

Tensors second_gradients(const ModelCase& c, const Tensors& parameters, const Tensors& v) {
  Tape tape({.training = c.training, .rng = &fixed_key()});
  const auto first =
      tape.gradient(c.loss(), parameters, {.differentiable = true, .unreached = Unreached::zero});
  Tensor total = zeros({}, f64);
  for (std::size_t k = 0; k < first.size(); ++k)
    total = total + sum(first[k] * v[k] + 0.0 * parameters[k]);
  return tape.gradient(total, parameters, {.unreached = Unreached::zero});
}

double distance(const Tensor& a, const Tensor& b) {
  double off = 0, scale = 1e-9;
  const auto p = values(a);
  const auto q = values(b);
  for (std::size_t i = 0; i < p.size(); ++i) {
    off = std::max(off, std::abs(p[i] - q[i]));
    scale = std::max({scale, std::abs(p[i]), std::abs(q[i])});
  }
  return off / scale;
}

}  // namespace

std::string disproof(const ModelCase& c) {
  Tensors parameters, point;
  std::vector<std::string> paths;
  for (const auto& [path, p] : c.model->parameters()) {
    paths.push_back(path);
    parameters.push_back(p);
    point.push_back(from(std::span<const double>(values(p)), p.shape()));
  }
  const auto moved_to = [&](std::span<const Tensor> in) {
    for (std::size_t k = 0; k < parameters.size(); ++k)
      unroll::detail::overwrite(parameters[k], in[k], "difference");
  };
  const Value loss = [&](std::span<const Tensor> in) {
    moved_to(in);
    Tape tape({.training = c.training, .rng = &fixed_key()});
    return detach(c.loss());
  };
  const Tensor one = full({}, 1, f64);
  if (c.shows == Shows::repeated_value)
    return loss(point).item() != loss(point).item() ? "" : "values are equal";
  if (c.shows == Shows::kink) {
    const auto along = [&](double by) {
      Tensors there;
      for (const Tensor& x : point) there.push_back(x + by);
      return loss(there).item();
    };
    const double bend = along(1e-6) - 2 * along(0) + along(-1e-6);
    moved_to(point);
    return std::abs(bend) > 1e-7 ? "" : "no kink";
  }
  const Tensors analytic = gradients(c, parameters);
  Tensors v;
  Rng rng(7);
  for (const Tensor& x : point) v.push_back(random_weights(x.shape(), rng));
  const Value slope = [&](std::span<const Tensor> in) {
    moved_to(in);
    const Tensors g = gradients(c, parameters);
    Tensor total = zeros({}, f64);
    for (std::size_t k = 0; k < g.size(); ++k) total = total + sum(g[k] * v[k]);
    return total;
  };
  Tensors second;
  if (c.second_order()) second = second_gradients(c, parameters, v);
  std::string text;
  bool anywhere = false;
  for (std::size_t k = 0; k < point.size(); ++k) {
    const auto numeric = numeric_gradient_anywhere(loss, point, k, one);
    moved_to(point);
    const double off = distance(analytic[k], numeric.gradient);
    const bool here = c.shows == Shows::gradient && (c.path.empty() || c.path == paths[k]);
    if (off > 1e-6) anywhere = true;
    if (!here && off > 1e-7) text += paths[k] + " is wrong; ";
    if (here && !c.path.empty() && !(off > 1e-6)) text += paths[k] + " is right; ";
    if (!c.second_order()) continue;
    const auto numeric_second = numeric_gradient_anywhere(slope, point, k, one);
    moved_to(point);
    if (distance(second[k], numeric_second.gradient) > 1e-6) anywhere = true;
  }
  if (c.shows != Shows::nowhere && !anywhere) text += "nothing is wrong";
  return text;
}

}  // namespace unroll::test
