// From a wrong rule to the element of an operand and of a result where it is wrong.
#include <unroll/autograd/detail/suspects.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

constexpr Index all_places = std::numeric_limits<Index>::max();

struct Steps {
  double wide, narrow;
};
// The two steps of the survey that were trusted most.
Steps steps_of(const Suspect& suspect, const std::vector<double>& steps) {
  const std::size_t k = std::min(suspect.slope.level, steps.size() - 2);
  return {steps[k], steps[k + 1]};
}

std::vector<Index> index_of(std::size_t element, const Shape& shape) {
  std::vector<Index> index(static_cast<std::size_t>(shape.rank()));
  auto left = static_cast<Index>(element);
  for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<std::size_t>(axis)] = left % shape[axis];
    left /= shape[axis];
  }
  return index;
}

// What a rule says of a move: Σ gradient · direction over what moves.
double predicted(const Replays& replays, std::span<const std::uint32_t> operands,
                 const std::vector<std::vector<double>>& gradients, std::span<const Move> moves) {
  double sum = 0;
  for (std::size_t k = 0; k < operands.size(); ++k)
    for (const Move& m : moves) {
      if (m.value != operands[k]) continue;
      const ReplayValue& v = replays.values()[m.value];
      for (std::size_t i = 0; i < v.elements.size(); ++i)
        if (m.begin <= v.place(i) && v.place(i) < m.end && v.direction[i] != 0)
          sum += gradients[k][i] * v.direction[i];
    }
  return sum;
}

}  // namespace

double Surveyor::measure_at(const Suspect& suspect, std::span<const Move> moves, double step) {
  const Replayed r = replays_.run(step, moves);
  if (suspect.fault == Fault::second_order)
    return r.rule_change[suspect.node] - still_.rule_change[suspect.node];
  const ReplayNode& n = replays_.nodes()[suspect.node];
  double sum = 0;
  for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v)
    if (suspect.only == no_value || suspect.only == v) sum += r.change[v];
  return sum;
}

double Surveyor::measure(const Suspect& suspect, std::span<const Move> moves) {
  const auto slope = [&](double h) {
    return (measure_at(suspect, moves, h) - measure_at(suspect, moves, -h)) / (2 * h);
  };
  const Steps h = steps_of(suspect, steps_);
  return extrapolated(slope(h.wide), slope(h.narrow), 16);
}

// Whether one element alone contradicts the rule at every scale on which it can be judged: as far
// as it was moved, which may lead across a pole, and by a share of itself.
bool Surveyor::holds(const Suspect& suspect, Move move, double predicted) {
  const ReplayValue& v = replays_.values()[move.value];
  std::vector<double> factors{1};
  for (std::size_t i = 0; i < v.elements.size(); ++i)
    if (v.place(i) == move.begin && v.direction[i] != 0 && v.elements[i] != 0) {
      factors.push_back(std::abs(v.elements[i] / v.direction[i]));
      break;
    }
  const double size = suspect.fault == Fault::second_order
                          ? std::abs(still_.rule_change[suspect.node])
                          : size_of(suspect.node, suspect.only);
  bool usable = false;
  for (const double factor : factors) {
    move.factor = factor;
    std::vector<double> plus, minus;
    for (const double step : steps_) {
      plus.push_back(measure_at(suspect, {&move, 1}, step));
      minus.push_back(measure_at(suspect, {&move, 1}, -step));
    }
    const Slope slope = slope_of(steps_, plus, minus, size);
    if (!slope.usable) continue;
    usable = true;
    if (!is_wrong(predicted * factor, predicted * factor, slope)) return false;
  }
  return usable;
}

Surveyor::Verdict Surveyor::narrow(const Suspect& suspect, Explanation& explanation) {
  const Recording& tape = replays_.tape();
  const ReplayNode& n = replays_.nodes()[suspect.node];
  const bool second = suspect.fault == Fault::second_order;
  RulePasses passes(replays_.tape());
  std::vector<std::uint32_t> operands;
  std::vector<std::vector<double>> gradients;
  if (second) {
    LocalSecondOrder s = second_order_of(passes, suspect.node);
    operands = s.operands;
    gradients = std::move(s.gradients);
  } else {
    LocalGradient local = local_gradient(passes.of(suspect.rule), suspect.node,
                                         upstream(suspect.node, suspect.only), suspect.rule);
    operands = local.operands;
    gradients = std::move(local.gradients);
  }
  const auto difference = [&](std::span<const Move> moves) {
    explanation.analytic = predicted(replays_, operands, gradients, moves);
    explanation.numeric = measure(suspect, moves);
    return std::abs(explanation.analytic - explanation.numeric);
  };
  std::vector<Move> moves;
  moves.reserve(operands.size());
  for (const std::uint32_t v : operands) moves.push_back({v, 0, all_places});
  const double whole = std::abs(suspect.predicted - suspect.slope.value);
  const double together = difference(moves);
  if (together < 0.01 * whole)  // or it is the part of the upstream gradient
    return second ? Verdict::wrong : Verdict::depends_on_more;

  Move worst = moves.front();
  double most = -1;
  for (const Move& m : moves) {
    const double d = moves.size() > 1 ? difference({&m, 1}) : together;
    if (!(d > most)) continue;
    most = d;
    worst = m;
  }
  worst.end = replays_.values()[worst.value].room;
  while (worst.end - worst.begin > 1) {
    const Index middle = worst.begin + (worst.end - worst.begin) / 2;
    const Move low{worst.value, worst.begin, middle};
    const Move high{worst.value, middle, worst.end};
    worst = difference({&low, 1}) >= difference({&high, 1}) ? low : high;
  }
  difference({&worst, 1});
  if (!holds(suspect, worst, explanation.analytic)) return Verdict::right_after_all;
  const auto found = std::find(n.inputs.begin(), n.inputs.end(), worst.value);
  explanation.input = found - n.inputs.begin();
  const ReplayValue& v = replays_.values()[worst.value];
  for (std::size_t i = 0; i < v.elements.size(); ++i) {
    if (v.place(i) != worst.begin || v.direction[i] == 0) continue;
    explanation.index = index_of(i, tape.shape_of(worst.value));
    explanation.analytic /= v.direction[i];
    explanation.numeric /= v.direction[i];
    break;
  }
  if (!second) narrow_result(suspect, worst, explanation);
  return Verdict::wrong;
}

// The derivatives of all results with respect to one element are known from four runs; the rule is
// asked for ever fewer of them.
void Surveyor::narrow_result(const Suspect& suspect, const Move& move, Explanation& explanation) {
  const ReplayNode& n = replays_.nodes()[suspect.node];
  const ReplayValue& operand = replays_.values()[move.value];
  replays_.kept_node = suspect.node;
  const auto at = [&](double step) { return replays_.run(step, {&move, 1}).kept; };
  const Steps h = steps_of(suspect, steps_);
  const auto wide_plus = at(h.wide), wide_minus = at(-h.wide);
  const auto narrow_plus = at(h.narrow), narrow_minus = at(-h.narrow);
  replays_.kept_node = no_value;

  struct Entry {
    std::uint32_t value;
    std::size_t element;
    double numeric;  // times the direction of the operand's element
  };
  std::vector<Entry> entries;
  for (std::uint32_t k = 0; k < n.outputs; ++k) {
    const std::uint32_t value = n.first_output + k;
    if (suspect.only != no_value && suspect.only != value) continue;
    for (std::size_t i = 0; i < wide_plus[k].size(); ++i) {
      const double wide = (wide_plus[k][i] - wide_minus[k][i]) / (2 * h.wide);
      const double narrow = (narrow_plus[k][i] - narrow_minus[k][i]) / (2 * h.narrow);
      entries.push_back({value, i, extrapolated(wide, narrow, 16)});
    }
  }
  RulePasses passes(replays_.tape());
  const auto analytic = [&](std::size_t begin, std::size_t end) {
    std::vector<Tensor> up;
    for (std::uint32_t k = 0; k < n.outputs; ++k) {
      Tensor g = replays_.upstream(n.first_output + k);
      fill_elements(g, 0);
      up.push_back(std::move(g));
    }
    for (std::size_t e = begin; e < end; ++e)
      data<double>(up[entries[e].value - n.first_output])[entries[e].element] =
          replays_.weight(entries[e].value, entries[e].element);
    if (suspect.only != no_value)
      for (std::uint32_t k = 0; k < n.outputs; ++k)
        if (suspect.only != n.first_output + k) up[k] = {};
    const LocalGradient local =
        local_gradient(passes.of(suspect.rule), suspect.node, up, suspect.rule);
    return predicted(replays_, local.operands, local.gradients, {&move, 1});
  };
  const auto numeric = [&](std::size_t begin, std::size_t end) {
    double sum = 0;
    for (std::size_t e = begin; e < end; ++e)
      sum += replays_.weight(entries[e].value, entries[e].element) * entries[e].numeric;
    return sum;
  };
  const auto difference = [&](std::size_t begin, std::size_t end) {
    return std::abs(analytic(begin, end) - numeric(begin, end));
  };
  std::size_t begin = 0, end = entries.size();
  const double whole = difference(begin, end);
  while (end - begin > 1) {
    const std::size_t middle = begin + (end - begin) / 2;
    if (difference(begin, middle) >= difference(middle, end))
      end = middle;
    else
      begin = middle;
  }
  // A rule that is not linear in what flows into it is wrong for no element alone.
  if (end - begin != 1 || !(difference(begin, end) > 1e-3 * whole)) return;
  const Entry& e = entries[begin];
  double direction = 0;
  for (std::size_t i = 0; i < operand.elements.size() && direction == 0; ++i)
    if (operand.place(i) == move.begin) direction = operand.direction[i];
  if (direction == 0) return;
  explanation.output = e.value - n.first_output;
  explanation.output_index = index_of(e.element, replays_.tape().shape_of(e.value));
  explanation.analytic = analytic(begin, end) / replays_.weight(e.value, e.element) / direction;
  explanation.numeric = e.numeric / direction;
}

}  // namespace unroll::detail
