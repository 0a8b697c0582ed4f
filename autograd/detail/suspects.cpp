// Comparing each recorded operation's rule with differences.
#include <unroll/autograd/detail/suspects.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {

// Single precision says too little about steps so small.
bool Surveyor::is_f64(std::uint32_t node) const {
  const ReplayNode& n = replays_.nodes()[node];
  const auto is = [&](std::uint32_t v) { return replays_.tape().dtype_of_value(v) == f64; };
  for (const std::uint32_t v : n.inputs)
    if (v != no_value && !is(v)) return false;
  for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v)
    if (!is(v)) return false;
  return true;
}

std::vector<Tensor> Surveyor::upstream(std::uint32_t node, std::uint32_t only) const {
  const ReplayNode& n = replays_.nodes()[node];
  std::vector<Tensor> all;
  for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v)
    all.push_back(only == no_value || only == v ? replays_.upstream(v) : Tensor{});
  return all;
}

double Surveyor::size_of(std::uint32_t node, std::uint32_t only) const {
  const ReplayNode& n = replays_.nodes()[node];
  double size = 0;
  for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v) {
    if (only != no_value && only != v) continue;
    for (const double x : replays_.values()[v].elements)
      if (std::isfinite(x)) size += std::abs(x);
  }
  return size;
}

Surveyor::Sides Surveyor::sides(std::uint32_t node, std::uint32_t only, bool second) const {
  const ReplayNode& n = replays_.nodes()[node];
  const auto change = [&](const Replayed& r) {
    if (second) return r.rule_change[node] - still_.rule_change[node];
    double sum = 0;
    for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v)
      if (only == no_value || only == v) sum += r.change[v];
    return sum;
  };
  Sides s;
  for (const Replayed& r : plus_) s.plus.push_back(change(r));
  for (const Replayed& r : minus_) s.minus.push_back(change(r));
  return s;
}

bool Surveyor::is_wrong(double predicted, double terms, const Slope& slope) const {
  const double allowed =
      options_.relative * std::max(std::abs(slope.value), std::isfinite(terms) ? terms : 0) +
      5 * slope.error;
  return !(std::abs(predicted - slope.value) <= allowed);
}

void Surveyor::enter(const Suspect& suspect, double terms, Survey& to) {
  if (!is_wrong(suspect.predicted, terms, suspect.slope)) return;
  const auto listed = [&](const std::vector<std::uint32_t>& nodes) {
    return std::find(nodes.begin(), nodes.end(), suspect.node) != nodes.end();
  };
  if (listed(to.cuts)) return;
  const double difference = std::abs(suspect.predicted - suspect.slope.value);
  if (std::abs(suspect.slope.one_sided_gap) > 0.5 * difference) {
    if (to.kinks.empty() || to.kinks.back() != suspect.node) to.kinks.push_back(suspect.node);
    return;
  }
  if (to.suspects.empty() || to.suspects.back().node != suspect.node)
    to.suspects.push_back(suspect);
}

// Of numbers that are none there are no differences.
bool Surveyor::is_finite(std::uint32_t node) const {
  const ReplayNode& n = replays_.nodes()[node];
  const auto finite = [&](std::uint32_t v) {
    const auto& all = replays_.values()[v].elements;
    return std::all_of(all.begin(), all.end(), [](double x) { return std::isfinite(x); });
  };
  for (const std::uint32_t v : n.inputs)
    if (v != no_value && !finite(v)) return false;
  for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v)
    if (!finite(v)) return false;
  return true;
}

void Surveyor::judge(RulePasses& passes, std::uint32_t node, Survey& to) {
  const ReplayNode& n = replays_.nodes()[node];
  std::vector<std::uint32_t> patterns{no_value};
  constexpr std::uint32_t few = 8;
  if (n.outputs > 1 && n.outputs <= few)
    for (std::uint32_t k = 0; k < n.outputs; ++k) patterns.push_back(n.first_output + k);
  for (const std::uint32_t only : patterns) {
    const Sides s = sides(node, only, false);
    const Slope slope = slope_of(steps_, s.plus, s.minus, size_of(node, only));
    if (!slope.usable) {
      to.unusable.push_back(node);
      return;
    }
    const std::vector<Tensor> up = upstream(node, only);
    for (const Rule rule : {Rule::in_place, Rule::adding, Rule::recorded}) {
      const LocalGradient local = local_gradient(passes.of(rule), node, up, rule);
      double terms = 0;
      double predicted = 0;
      Slope judged = slope;
      for (std::size_t k = 0; k < local.operands.size(); ++k) {
        const ReplayValue& v = replays_.values()[local.operands[k]];
        for (std::size_t i = 0; i < v.elements.size(); ++i) {
          const double term = v.direction[i] == 0 ? 0 : local.gradients[k][i] * v.direction[i];
          predicted += term;
          terms += std::abs(term);
          judged.error += local.rounding[k] * std::abs(v.direction[i]);
        }
      }
      const Fault fault = rule == Rule::in_place ? Fault::rule
                          : rule == Rule::adding ? Fault::adding
                                                 : Fault::recorded;
      enter({fault, node, rule, only, judged, predicted}, terms, to);
    }
  }
  ++to.judged;
}

LocalSecondOrder Surveyor::second_order_of(RulePasses& passes, std::uint32_t node) const {
  return local_second_order(
      passes, node, upstream(node, no_value),
      [&](std::uint32_t v, std::size_t i) { return replays_.gradient_weight(node, v, i); });
}

void Surveyor::judge_second(RulePasses& passes, std::uint32_t node, Survey& to) {
  const ReplayNode& n = replays_.nodes()[node];
  const Sides s = sides(node, no_value, true);
  const Slope slope = slope_of(steps_, s.plus, s.minus, std::abs(still_.rule_change[node]));
  if (!slope.usable) return;
  const LocalSecondOrder second = second_order_of(passes, node);
  double terms = 0;
  double predicted = 0;
  const auto add = [&](double gradient, double direction) {
    const double term = direction == 0 ? 0 : gradient * direction;
    predicted += term;
    terms += std::abs(term);
  };
  for (std::size_t k = 0; k < second.operands.size(); ++k)
    for (std::size_t i = 0; i < second.gradients[k].size(); ++i)
      add(second.gradients[k][i], replays_.values()[second.operands[k]].direction[i]);
  for (std::uint32_t k = 0; k < n.outputs; ++k)
    for (std::size_t i = 0; i < second.upstream[k].size(); ++i)
      add(second.upstream[k][i], replays_.weight_direction(n.first_output + k, i));
  enter({Fault::second_order, node, Rule::recorded, no_value, slope, predicted}, terms, to);
}

// The first node that made something else of what it had before.
std::uint32_t Surveyor::first_restless(const Replayed& still) const {
  const auto& all = replays_.nodes();
  for (std::uint32_t n = 0; n < std::min<std::size_t>(still.same_nodes, all.size()); ++n) {
    bool same = still.constants_changed.empty() || still.constants_changed.front() != n;
    for (std::uint32_t v = all[n].first_output; v < all[n].first_output + all[n].outputs; ++v)
      same = same && still.change[v] == 0;
    if (!same) return n;
  }
  return no_value;
}

Survey Surveyor::survey(std::span<const std::uint32_t> nodes) {
  Survey found;
  // Attributes may hold bytes that mean nothing, between fields: what changes by itself.
  std::vector<std::uint32_t> restless;
  for (int again = 0; again < 3; ++again) {
    still_ = replays_.run(0.0);
    found.same_nodes = std::min(found.same_nodes, still_.same_nodes);
    if (const std::uint32_t n = first_restless(still_); n != no_value) {
      found.suspects.push_back({.fault = Fault::not_deterministic, .node = n});
      return found;
    }
    found.deterministic = still_.complete;
    if (!found.deterministic) return found;
    const auto& changed = still_.attributes_changed;
    restless.insert(restless.end(), changed.begin(), changed.end());
  }
  for (const double step : steps_) {
    plus_.push_back(replays_.run(step));
    minus_.push_back(replays_.run(-step));
    found.same_nodes =
        std::min({found.same_nodes, plus_.back().same_nodes, minus_.back().same_nodes});
  }
  const auto everywhere = [&](auto list) {
    std::vector<std::uint32_t> common = list(plus_.front());
    for (const auto* side : {&plus_, &minus_})
      for (const Replayed& r : *side)
        std::erase_if(common, [&](std::uint32_t n) {
          return !std::binary_search(list(r).begin(), list(r).end(), n);
        });
    return common;
  };
  found.cuts = everywhere([](const Replayed& r) -> auto& { return r.constants_changed; });
  for (const std::uint32_t n :
       everywhere([](const Replayed& r) -> auto& { return r.attributes_changed; }))
    if (std::find(restless.begin(), restless.end(), n) == restless.end()) found.cuts.push_back(n);
  std::sort(found.cuts.begin(), found.cuts.end());

  // In the order of backward(): a rule may count how often it was called.
  RulePasses passes(replays_.tape());
  for (std::size_t k = nodes.size(); k-- > 0;) {
    if (nodes[k] >= found.same_nodes || !is_f64(nodes[k]) || !is_finite(nodes[k])) continue;
    judge(passes, nodes[k], found);
    if (options_.order > 1) judge_second(passes, nodes[k], found);
  }
  return found;
}

}  // namespace unroll::detail
