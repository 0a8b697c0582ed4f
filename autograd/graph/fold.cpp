#include <unroll/autograd/graph/detail/loops.h>
#include <unroll/autograd/graph/detail/runs.h>
#include <unroll/autograd/graph/fold.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

namespace unroll::graph {
namespace {

using detail::at;
using detail::Stretch;

class Folding {
 public:
  explicit Folding(const Snapshot& snapshot) : letters_(snapshot) {}

  Folded run() {
    const Snapshot& s = letters_.snapshot();
    folded_.nodes = std::ssize(s.nodes);
    folded_.loss = s.loss;
    folded_.signatures = letters_.signatures();
    folded_.labels.emplace_back();
    for (Index v = 0; v < std::ssize(s.values); ++v) {
      const Value& value = s.values[at(v)];
      if (value.node < 0)
        folded_.leaves.push_back(
            {.value = v, .shape = value.shape, .dtype = value.dtype, .label = label(value)});
    }
    const std::vector<detail::Iterations> loops = detail::find_loops(letters_);
    place_.resize(s.nodes.size());
    Index node = 0;
    for (const detail::Iterations& loop : loops) {
      for (; node < loop.starts.front(); ++node) add_single(node);
      add_loop(loop);
      node = loop.end;
    }
    for (; node < folded_.nodes; ++node) add_single(node);
    return std::move(folded_);
  }

 private:
  struct In {  // a loop and an iteration of it
    Index loop = -1;
    Index iteration = 0;
  };

  Index label(const Value& value) {
    if (value.name.empty() && value.state.empty() && !value.parameter) return 0;
    const auto [i, is_new] = known_labels_.try_emplace({value.name, value.state, value.parameter},
                                                       std::ssize(folded_.labels));
    if (is_new)
      folded_.labels.push_back(
          {.name = value.name, .state = value.state, .parameter = value.parameter});
    return i->second;
  }

  Result result(Index value, Index begin) {
    const Value& v = letters_.snapshot().values[at(value)];
    return {.begin = begin, .count = 1, .shape = v.shape, .label = label(v)};
  }

  void add_single(Index n) {
    const Node& node = letters_.node(n);
    folded_.items.push_back({.node = n,
                             .signature = letters_[n],
                             .step = node.step,
                             .inputs = std::ssize(node.inputs)});
    folded_.single_inputs.insert(folded_.single_inputs.end(), node.inputs.begin(),
                                 node.inputs.end());
    for (const Index v : node.outputs)
      detail::append(folded_.single_outputs, result(v, single_outputs_++));
  }

  void add_loop(const detail::Iterations& found) {
    const Index number = std::ssize(folded_.loops);
    folded_.items.push_back({.loop = number, .node = found.starts.front()});
    Loop& loop = folded_.loops.emplace_back();
    loop.first_node = found.starts.front();
    loop.starts = found.starts;
    loop.variant = found.variant;
    loop.variants.resize(at(found.variants));
    const Node& first = letters_.node(loop.first_node);
    loop.layer = first.layer;
    loop.direction = first.direction;
    for (Index i = 0; i < found.count(); ++i) {
      const Stretch nodes = found[i];
      for (Index n = nodes.begin; n < nodes.end; ++n) {
        place_[at(n)] = {number, i};
        const Node& node = letters_.node(n);
        if (node.layer != loop.layer) loop.layer = -1;
        if (node.direction != loop.direction) loop.direction = Direction::none;
      }
      loop.steps.push_back(step_of(nodes));
      add_iteration(loop, number, i, nodes);
    }
  }

  // That of all its nodes, or of those outside of recurrent layers, which count on their own; -1
  // where they differ.
  Index step_of(Stretch nodes) const {
    const auto common = [&](auto counts) {
      std::optional<Index> step;
      for (Index n = nodes.begin; n < nodes.end; ++n) {
        const Node& node = letters_.node(n);
        if (!counts(node)) continue;
        if (step && *step != node.step) return Index{-1};
        step = node.step;
      }
      return step.value_or(-1);
    };
    const Index step = common([](const Node&) { return true; });
    return step >= 0 ? step : common([](const Node& node) { return node.layer < 0; });
  }

  void add_iteration(Loop& loop, Index number, Index iteration, Stretch nodes) {
    Loop::Variant& variant = loop.variants[at(loop.variant[at(iteration)])];
    if (variant.iterations.empty()) {
      variant.example = nodes.begin;
      for (Index n = nodes.begin; n < nodes.end; ++n)
        variant.operations.push_back(
            {.signature = letters_[n],
             .operands = std::vector<Loop::Operand>(letters_.node(n).inputs.size()),
             .outputs = std::vector<std::vector<Result>>(letters_.node(n).outputs.size())});
    }
    const Index position = std::ssize(variant.iterations);
    variant.iterations.push_back(iteration);
    const Index step = loop.steps[at(iteration)];
    for (Index n = nodes.begin; n < nodes.end; ++n) {
      const Node& node = letters_.node(n);
      Loop::Operation& operation = variant.operations[at(n - nodes.begin)];
      add_inputs(operation, std::ssize(node.inputs), position);
      for (std::size_t k = 0; k < node.inputs.size(); ++k)
        add_source(operation.operands[k].sources, loop, variant,
                   source(node.inputs[k], loop, number, iteration, position));
      for (std::size_t k = 0; k < node.outputs.size(); ++k)
        detail::append(operation.outputs[k], result(node.outputs[k], position));
      add_step(operation.steps, node.step, step, position, loop, variant);
    }
  }

  Source source(Index value, const Loop& loop, Index number, Index iteration,
                Index position) const {
    Source s{.begin = position, .count = 1};
    if (value < 0) return s;
    const Index origin = letters_.origin(value);
    if (origin < 0) {
      s.kind = Source::Kind::leaf;
      s.value = value;
      return s;
    }
    s.node = origin;
    s.output = letters_.output(value);
    s.kind = Source::Kind::outside;
    const In in = place_[at(origin)];
    if (in.loop != number) return s;
    s.kind = in.iteration == iteration ? Source::Kind::inside : Source::Kind::delayed;
    s.delay = iteration - in.iteration;
    s.variant = loop.variant[at(in.iteration)];
    s.node = origin - loop.starts[at(in.iteration)];
    return s;
  }

  // The same seen from outside of the loop.
  static Source absolute(Source s, const Loop& loop, const Loop::Variant& variant) {
    s.node += loop.starts[at(variant.iterations[at(s.begin)] - s.delay)];
    s.kind = Source::Kind::outside;
    s.delay = 0;
    s.variant = 0;
    return s;
  }

  static bool same_place(const Source& a, const Source& b) {
    return a.node == b.node && a.output == b.output;
  }

  // What is made in one iteration and read in several has no constant delay, but a constant place.
  static void add_source(std::vector<Source>& runs, const Loop& loop, const Loop::Variant& variant,
                         const Source& next) {
    if (!runs.empty() && next.kind == Source::Kind::delayed &&
        runs.back().begin + runs.back().count == next.begin) {
      Source& last = runs.back();
      const Source there = absolute(next, loop, variant);
      if (last.kind == Source::Kind::outside && last.node_stride == 0 && last.output_stride == 0 &&
          same_place(last, there)) {
        ++last.count;
        return;
      }
      if (last.kind == Source::Kind::delayed && last.count == 1) {
        const Source from = absolute(last, loop, variant);
        if (same_place(from, there)) {
          last = from;
          last.count = 2;
          return;
        }
      }
    }
    detail::append(runs, next);
  }

  // Written down where there are not always as many.
  static void add_inputs(Loop::Operation& operation, Index inputs, Index position) {
    const Index before = std::ssize(operation.operands);
    if (operation.inputs.empty() && inputs == before) return;
    if (operation.inputs.empty())
      operation.inputs.push_back({.begin = 0, .count = position, .first = before});
    detail::append(operation.inputs, Progress{.begin = position, .count = 1, .first = inputs});
    if (inputs > before) operation.operands.resize(at(inputs));
  }

  // Steps are written down from the first that is not the iteration's.
  static void add_step(std::vector<Progress>& runs, Index step, Index of_iteration, Index position,
                       const Loop& loop, const Loop::Variant& variant) {
    if (runs.empty()) {
      if (step == of_iteration) return;
      for (Index k = 0; k < position; ++k)
        detail::append(
            runs,
            Progress{.begin = k, .count = 1, .first = loop.steps[at(variant.iterations[at(k)])]});
    }
    detail::append(runs, Progress{.begin = position, .count = 1, .first = step});
  }

  detail::Letters letters_;
  Folded folded_;
  std::vector<In> place_;
  std::map<std::tuple<std::string, std::string, bool>, Index> known_labels_;
  Index single_outputs_ = 0;
};

}  // namespace

Folded fold(const Snapshot& snapshot) {
  check(snapshot);
  return Folding(snapshot).run();
}

auto Folded::place(Index node) const -> Place {
  const auto item = std::upper_bound(items.begin(), items.end(), node,
                                     [](Index n, const Item& i) { return n < i.node; });
  if (node < 0 || node >= nodes || item == items.begin() || std::prev(item)->loop < 0) return {};
  const Index number = std::prev(item)->loop;
  const Loop& loop = loops[at(number)];
  const auto after = std::upper_bound(loop.starts.begin(), loop.starts.end(), node);
  const Index iteration = after - loop.starts.begin() - 1;
  return {.loop = number,
          .iteration = iteration,
          .variant = loop.variant[at(iteration)],
          .operation = node - loop.starts[at(iteration)]};
}

std::string ranges(std::span<const Index> numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    for (const Index by : {1, -1}) {
      if (end > i + 1) break;
      while (end < numbers.size() && numbers[end] == numbers[end - 1] + by) ++end;
    }
    if (!text.empty()) text += ", ";
    text += std::to_string(numbers[i]);
    if (end - i == 2) text += ", " + std::to_string(numbers[end - 1]);
    if (end - i > 2) text += "–" + std::to_string(numbers[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace unroll::graph
