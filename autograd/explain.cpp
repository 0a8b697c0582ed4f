#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/gradcheck_problem.h>
#include <unroll/autograd/detail/suspects.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/explain.h>
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::detail {
namespace {

void name(const Replays& replays, std::uint32_t node, Explanation& to) {
  const Recording& tape = replays.tape();
  const ReplayNode& n = replays.nodes()[node];
  const Label& label = tape.label_of(tape.nodes[node]);
  to.found = true;
  to.node = node;
  to.operation = n.operation->name;
  to.path = tape.paths[label.path];
  to.step = label.step;
  to.inputs = n.shapes;
  for (std::uint32_t v = n.first_output; v < n.first_output + n.outputs; ++v)
    to.outputs.push_back(tape.shape_of(v));
}

// The whole function along one direction of its leaves: by differences, and by a pass backwards.
struct Whole {
  double analytic = 0, numeric = 0, error = 0, terms = 0;
  bool wrong(double relative) const {
    return !(std::abs(analytic - numeric) <=
             relative * std::max(terms, std::abs(numeric)) + 5 * error);
  }
};

class WholeFunction {
 public:
  explicit WholeFunction(Replays& replays) : replays_(replays) {
    Recording& tape = replays.tape();
    for (const Leaf& leaf : tape.leaves)
      if (leaf.value != no_value) leaves_.push_back(leaf.value);
    gradients_.resize(leaves_.size());
    for (std::size_t k = 0; k < leaves_.size(); ++k)
      gradients_[k].assign(replays.values()[leaves_[k]].elements.size(), 0);
    const RecordingOff off;
    for (std::size_t r = 0; r < replays.results().size(); ++r) {
      const Tensor& y = replays.results()[r];
      if (y.header()->tape != tape.serial || y.dtype() != f64) continue;
      Tensor up = empty(y.shape(), f64);
      for (std::size_t i = 0; i < static_cast<std::size_t>(up.size()); ++i)
        data<double>(up)[i] = weight(r, i);
      GradientPass pass(tape, {.differentiable = false, .retain = true});
      add(pass.run(y.header()->value, up, leaves_));
    }
  }

  std::span<const std::uint32_t> leaves() const { return leaves_; }

  Whole along(std::span<const std::uint32_t> leaves) {
    Whole whole;
    std::vector<Move> moves;
    double moved = 0;  // a derivative of rounding alone is none
    for (std::size_t k = 0; k < leaves_.size(); ++k) {
      if (std::find(leaves.begin(), leaves.end(), leaves_[k]) == leaves.end()) continue;
      moves.push_back({.value = leaves_[k]});
      const ReplayValue& v = replays_.values()[leaves_[k]];
      for (std::size_t i = 0; i < v.direction.size(); ++i) {
        const double term = gradients_[k][i] * v.direction[i];
        whole.analytic += term;
        whole.terms += std::abs(term);
        moved += std::abs(v.direction[i]);
      }
    }
    const std::vector<double> steps = falling_steps(7);
    const std::vector<double> before = sums(replays_.run_leaves(0, moves));
    std::vector<double> plus, minus;
    for (const double h : steps) {
      plus.push_back(sums(replays_.run_leaves(h, moves))[0] - before[0]);
      minus.push_back(sums(replays_.run_leaves(-h, moves))[0] - before[0]);
    }
    const Slope slope = slope_of(steps, plus, minus, before[1]);
    whole.numeric = slope.value;
    whole.error = slope.usable ? slope.error + 1e-14 * before[1] + 1e-13 * moved
                               : std::numeric_limits<double>::infinity();
    if (std::abs(slope.one_sided_gap) > 0.5 * std::abs(whole.analytic - whole.numeric))
      whole.error = std::numeric_limits<double>::infinity();  // at a kink: not to be judged
    return whole;
  }

 private:
  double weight(std::size_t result, std::size_t i) const {
    return replays_.weight(no_value - static_cast<std::uint32_t>(result), i);
  }
  void add(const std::vector<PassResult>& results) {
    for (std::size_t k = 0; k < results.size(); ++k) {
      const std::vector<double> g =
          dense_elements(results[k], replays_.tape().shape_of(leaves_[k]));
      for (std::size_t i = 0; i < g.size(); ++i) gradients_[k][i] += g[i];
    }
  }
  // Σ weight · element and the size of the terms.
  std::vector<double> sums(const Replayed& r) const {
    double sum = 0, size = 0;
    for (std::size_t y = 0; y < r.results.size(); ++y)
      for (std::size_t i = 0; i < r.results[y].size(); ++i) {
        sum += weight(y, i) * r.results[y][i];
        size += std::abs(r.results[y][i]);
      }
    return {sum, size};
  }

  Replays& replays_;
  std::vector<std::uint32_t> leaves_;
  std::vector<std::vector<double>> gradients_;
};

std::string leaf_name(const Replays& replays, const CheckedFunction& f, std::uint32_t value) {
  const Recording& tape = replays.tape();
  const Leaf& leaf = tape.leaves[tape.values[value].origin];
  if (leaf.info != nullptr) return leaf.info->path();
  std::uint32_t watched = 0;
  for (const CheckedInput& input : f.inputs)
    if (!input.is_parameter && is_floating(input.value.dtype()) && watched++ == value)
      return input.name;
  return "an input";
}

void add_remark(const std::string& text, Explanation& to) {
  if (to.remark.find(text) == std::string::npos)
    to.remark += (to.remark.empty() ? "" : "; ") + text;
}

// No rule is wrong: is the whole?
void look_at_whole(Replays& replays, const CheckedFunction& f, const ExplainOptions& options,
                   const Survey& survey, Explanation& to) {
  WholeFunction whole(replays);
  const Recording& tape = replays.tape();
  if (tape.hooked != no_value)
    add_remark("a hook replaced the gradient of " + name_of_value(tape, tape.hooked), to);
  const Whole all = whole.along(whole.leaves());
  to.analytic = all.analytic;
  to.numeric = all.numeric;
  if (!std::isfinite(all.error) || !all.wrong(options.relative)) return;
  to.fault = Fault::elsewhere;
  std::string wrong;
  constexpr std::size_t few = 32;
  for (std::size_t k = 0; k < std::min(few, whole.leaves().size()); ++k) {
    const std::uint32_t leaf = whole.leaves()[k];
    const Whole one = whole.along({&leaf, 1});
    if (one.wrong(options.relative))
      wrong += (wrong.empty() ? "" : ", ") + leaf_name(replays, f, leaf);
  }
  add_remark("wrong for " + (wrong.empty() ? std::string("all leaves together") : wrong), to);
  if (!survey.cuts.empty()) {
    to.fault = Fault::cut;
    name(replays, survey.cuts.front(), to);
  }
}

// Throws as gradcheck does where there is nothing to explain. How often f ran.
Index check_function(CheckedFunction& f) {
  FirstOrder first(f);
  const Numbers base = first.first_values();
  if (!base.empty()) first.check_dependence(base);
  return first.evaluations();
}

void check_results(const Replays& replays) {
  for (const Tensor& y : replays.results())
    if (is_floating(y.dtype()) && find_non_finite(y).first >= 0)
      fail_nowhere("explain", {.given = "the function returns NaN or Inf in " + describe(y),
                               .needed = "finite values at the point",
                               .hint = "Tape tape({.check_finite = true}) finds where it began"});
}

}  // namespace

Explanation explain(CheckedFunction f, const ExplainOptions& options) {
  check_options("explain", options.order, options.relative, "{.relative = 1e-11}");
  f.training = options.training;
  f.seed = options.seed;
  prepare(f);
  Explanation result{.runs = check_function(f)};
  const auto conclude = [&](Replays& replays, Surveyor& surveyor, const Survey& survey) {
    result.judged += survey.judged - std::ssize(survey.kinks);
    result.nodes = std::ssize(replays.nodes());
    if (!survey.deterministic) {
      result.fault = Fault::not_deterministic;
      add_remark("the operations from number " + std::to_string(survey.same_nodes) +
                     " on are not the same in every run",
                 result);
      return;
    }
    if (survey.same_nodes < replays.nodes().size())
      add_remark("the operations from number " + std::to_string(survey.same_nodes) +
                     " on are not the same in every run: they depend on values",
                 result);
    Index dismissed = 0;
    for (auto suspect = survey.suspects.rbegin(); suspect != survey.suspects.rend(); ++suspect) {
      Explanation closer = result;
      closer.fault = suspect->fault;
      const auto verdict = suspect->fault == Fault::not_deterministic
                               ? Surveyor::Verdict::wrong
                               : surveyor.narrow(*suspect, closer);
      if (verdict == Surveyor::Verdict::right_after_all) {
        constexpr Index enough = 8;
        if (++dismissed == enough) break;
        continue;
      }
      if (verdict == Surveyor::Verdict::depends_on_more) closer.fault = Fault::operand_unknown;
      closer.wrong = survey.suspects.rend() - suspect;
      name(replays, suspect->node, closer);
      result = std::move(closer);
      break;
    }
    result.judged -= dismissed;
  };
  std::vector<std::uint32_t> unusable;
  {
    Replays replays(f, {.second_order = options.order > 1, .seed = options.seed});
    check_results(replays);
    Surveyor surveyor(replays, options);
    std::vector<std::uint32_t> nodes(replays.nodes().size());
    std::iota(nodes.begin(), nodes.end(), 0U);
    const Survey survey = surveyor.survey(nodes);
    conclude(replays, surveyor, survey);
    if (!result.found && survey.deterministic && survey.unusable.empty())
      look_at_whole(replays, f, options, survey, result);
    result.at_kinks = std::ssize(survey.kinks);
    unusable = survey.unusable;
    unusable.insert(unusable.end(), survey.kinks.begin(), survey.kinks.end());
    result.runs += replays.runs();
  }
  if (result.found || unusable.empty() || result.fault == Fault::not_deterministic) return result;
  // Moved by shares of themselves, elements stay on their side of 0, and zeros at 0.
  std::sort(unusable.begin(), unusable.end());
  unusable.erase(std::unique(unusable.begin(), unusable.end()), unusable.end());
  Replays replays(f,
                  {.second_order = options.order > 1, .relative = true, .seed = options.seed + 1});
  Surveyor surveyor(replays, options);
  const Survey survey = surveyor.survey(unusable);
  conclude(replays, surveyor, survey);
  if (!result.found && survey.deterministic) look_at_whole(replays, f, options, survey, result);
  result.runs += replays.runs();
  return result;
}

}  // namespace unroll::detail
