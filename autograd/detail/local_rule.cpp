#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/local_rule.h>
#include <unroll/autograd/detail/roll_back.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::detail {
namespace {

std::vector<std::uint32_t> operands_of(const Recording& tape, std::uint32_t index) {
  const Node& node = tape.nodes[index];
  const std::uint32_t* inputs = tape.inputs_of(node);
  std::vector<std::uint32_t> operands;
  for (std::uint32_t k = 0; k < node.inputs; ++k)
    if (inputs[k] != no_value &&
        std::find(operands.begin(), operands.end(), inputs[k]) == operands.end())
      operands.push_back(inputs[k]);
  return operands;
}

std::vector<GradientPass::Seed> seeds_of(const Node& node, std::span<const Tensor> upstream) {
  std::vector<GradientPass::Seed> seeds;
  for (std::size_t k = 0; k < upstream.size(); ++k)
    if (upstream[k].defined())
      seeds.push_back({node.first_output + static_cast<std::uint32_t>(k), upstream[k]});
  return seeds;
}

// tapes.current as a gradient pass needs it, until the end of the block.
class Current {
 public:
  explicit Current(Recording* tape) : before_(std::exchange(tapes.current, tape)) {}
  ~Current() { tapes.current = before_; }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  Recording* before_;
};

// Gradients of the size that a rule makes, to be added to.
std::vector<GradientPass::Seed> begun_like(const Recording& tape, const LocalGradient& local) {
  std::vector<GradientPass::Seed> begun;
  for (std::size_t k = 0; k < local.operands.size(); ++k) {
    const std::uint32_t value = local.operands[k];
    double largest = 0;
    for (const double g : local.gradients[k]) largest = std::max(largest, std::abs(g));
    Tensor there = empty(tape.shape_of(value), tape.dtype_of_value(value));
    fill_elements(there, std::isfinite(largest) && largest > 0 ? 0.75 * largest : 1.0);
    begun.push_back({value, there});
  }
  return begun;
}

}  // namespace

std::vector<double> dense_elements(const PassResult& result, const Shape& shape) {
  std::vector<double> all(static_cast<std::size_t>(shape.size()));
  if (result.dense.defined()) return elements_of(*result.dense.header());
  for (const SparseRows& part : result.rows) {
    const auto columns = static_cast<std::size_t>(shape[-1]);
    const std::vector<double> rows = elements_of(*part.rows.header());
    const std::vector<double> ids = elements_of(*part.ids.header());
    for (std::size_t r = 0; r < ids.size(); ++r)
      for (std::size_t c = 0; c < columns; ++c)
        all[static_cast<std::size_t>(ids[r]) * columns + c] += rows[r * columns + c];
  }
  return all;
}

LocalGradient local_gradient(GradientPass& pass, std::uint32_t node,
                             std::span<const Tensor> upstream, Rule rule) {
  Recording& tape = pass.tape();
  LocalGradient local{.operands = operands_of(tape, node)};
  local.rounding.assign(local.operands.size(), 0);
  std::vector<GradientPass::Seed> begun;
  if (rule == Rule::adding) {
    local.gradients = local_gradient(pass, node, upstream, Rule::in_place).gradients;
    begun = begun_like(tape, local);
    local.gradients.clear();
  }
  const auto seeds = seeds_of(tape.nodes[node], upstream);
  const Current current(rule == Rule::recorded ? &tape : nullptr);
  const RollBack roll_back(tape);
  const std::uint32_t alone[] = {node};
  const auto results = pass.run_alone(alone, seeds, local.operands, begun);
  for (std::size_t k = 0; k < results.size(); ++k) {
    local.gradients.push_back(dense_elements(results[k], tape.shape_of(local.operands[k])));
    if (begun.empty()) continue;
    const std::vector<double> before = elements_of(*begun[k].gradient.header());
    std::vector<double>& g = local.gradients.back();
    std::transform(g.begin(), g.end(), before.begin(), g.begin(), std::minus<>());
    local.rounding[k] = before.empty() ? 0 : 8 * std::numeric_limits<double>::epsilon() * before[0];
  }
  return local;
}

LocalSecondOrder local_second_order(
    RulePasses& passes, std::uint32_t node, std::span<const Tensor> upstream,
    const std::function<double(std::uint32_t value, std::size_t element)>& weight) {
  Recording& tape = passes.recorded.tape();
  LocalSecondOrder second{.operands = operands_of(tape, node)};
  const RollBack roll_back(tape);
  const Current current(&tape);
  // As results of an operation that comes from nowhere: leaves could not be taken back.
  static constexpr Operation source{.name = "upstream"};
  std::vector<Tensor> watched(upstream.size());
  std::vector<Header*> made;
  for (std::size_t k = 0; k < upstream.size(); ++k) {
    if (!upstream[k].defined()) continue;
    watched[k] = detach(upstream[k]);
    made.push_back(watched[k].header());
  }
  tape.push(&source, {}, {}, 0, made);
  std::vector<std::uint32_t> wanted = second.operands;
  for (const Header* h : made) wanted.push_back(h->value);
  const auto first_new = static_cast<std::uint32_t>(tape.nodes.size());
  Tensor total;
  {
    const std::uint32_t alone[] = {node};
    const auto gradients =
        passes.recorded.run_alone(alone, seeds_of(tape.nodes[node], watched), second.operands);
    for (std::size_t k = 0; k < gradients.size(); ++k) {
      const Tensor& g = gradients[k].dense;
      if (!g.defined() || g.size() == 0) continue;
      Tensor weights = empty(g.shape(), g.dtype());
      double* to = data<double>(weights);
      for (std::size_t i = 0; i < static_cast<std::size_t>(g.size()); ++i)
        to[i] = weight(second.operands[k], i);
      const Tensor part = sum(g * weights);
      total = total.defined() ? total + part : part;
    }
  }
  for (const std::uint32_t v : second.operands)
    second.gradients.emplace_back(static_cast<std::size_t>(tape.shape_of(v).size()));
  for (const Tensor& g : upstream)
    second.upstream.emplace_back(g.defined() ? static_cast<std::size_t>(g.size()) : 0);
  if (!total.defined() || total.header()->tape != tape.serial) return second;

  std::vector<std::uint32_t> nodes{node};
  for (auto i = first_new; i < tape.nodes.size(); ++i) nodes.push_back(i);
  tapes.current = nullptr;
  const Tensor one = ones(total.shape(), f64);
  const GradientPass::Seed seed[] = {{total.header()->value, one}};
  const auto results = passes.in_place.run_alone(nodes, seed, wanted);
  for (std::size_t k = 0; k < second.operands.size(); ++k)
    second.gradients[k] = dense_elements(results[k], tape.shape_of(wanted[k]));
  for (std::size_t k = 0, at = second.operands.size(); k < upstream.size(); ++k)
    if (upstream[k].defined()) {
      second.upstream[k] = dense_elements(results[at], tape.shape_of(wanted[at]));
      ++at;
    }
  return second;
}

}  // namespace unroll::detail
