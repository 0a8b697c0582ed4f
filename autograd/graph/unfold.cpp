#include <unroll/autograd/graph/detail/letters.h>
#include <unroll/autograd/graph/fold.h>

#include <algorithm>

namespace unroll::graph {
namespace {

using detail::at;

// Reads runs from front to back.
template <class Run>
class Reader {
 public:
  explicit Reader(const std::vector<Run>& runs) : runs_(&runs) {}

  // The run of the next element, and which of its elements that is.
  std::pair<const Run*, Index> next() {
    const Run* run = &(*runs_)[run_];
    const Index i = element_;
    if (++element_ == run->count) {
      element_ = 0;
      ++run_;
    }
    return {run, i};
  }

 private:
  const std::vector<Run>* runs_;
  std::size_t run_ = 0;
  Index element_ = 0;
};

struct OperationReader {
  explicit OperationReader(const Loop::Operation& o)
      : operation(&o), inputs(o.inputs), step(o.steps) {
    for (const Loop::Operand& operand : o.operands) operands.emplace_back(operand.sources);
    for (const std::vector<Result>& output : o.outputs) outputs.emplace_back(output);
  }
  const Loop::Operation* operation;
  std::vector<Reader<Source>> operands;
  std::vector<Reader<Result>> outputs;
  Reader<Progress> inputs;
  Reader<Progress> step;
};

class Unfolding {
 public:
  explicit Unfolding(const Folded& folded) : folded_(folded), outputs_(folded.single_outputs) {}

  Snapshot run() {
    snapshot_.nodes.reserve(at(folded_.nodes));
    snapshot_.loss = folded_.loss;
    for (const Folded::Item& item : folded_.items)
      if (item.loop >= 0)
        add_loop(folded_.loops[at(item.loop)]);
      else
        add_single(item);
    add_leaves();
    return std::move(snapshot_);
  }

 private:
  Node& add_node(Index signature) {
    const Folded::Signature& from = folded_.signatures[at(signature)];
    Node& node = snapshot_.nodes.emplace_back();
    node.operation = from.operation;
    node.path = from.path;
    node.layer = from.layer;
    node.direction = from.direction;
    node.order = from.order;
    node.view = from.view;
    node.outputs.reserve(from.outputs.size());
    return node;
  }

  // Values are numbered as they are made; the numbers of leaves are told.
  void add_leaves() {
    for (; leaf_ < folded_.leaves.size() &&
           folded_.leaves[leaf_].value == std::ssize(snapshot_.values);
         ++leaf_) {
      const Folded::Leaf& leaf = folded_.leaves[leaf_];
      add_value(leaf.shape, leaf.dtype, -1, leaf.label);
    }
  }

  void add_value(const Shape& shape, DType dtype, Index node, Index label) {
    const Folded::Label& l = folded_.labels[at(label)];
    snapshot_.values.push_back({.shape = shape,
                                .dtype = dtype,
                                .node = node,
                                .name = l.name,
                                .parameter = l.parameter,
                                .state = l.state});
  }

  void add_output(Node& node, const Folded::Signature& signature,
                  const std::pair<const Result*, Index>& made) {
    const auto& [run, i] = made;
    std::array<Index, Shape::max_rank> extents{};
    const Index rank = run->shape.rank();
    for (Index k = 0; k < rank; ++k) extents[at(k)] = run->shape[k] + i * run->growth[at(k)];
    add_leaves();
    const DType dtype = signature.outputs[node.outputs.size()];
    node.outputs.push_back(std::ssize(snapshot_.values));
    add_value(Shape(std::span(extents).first(at(rank))), dtype, std::ssize(snapshot_.nodes) - 1,
              run->label);
  }

  void add_single(const Folded::Item& item) {
    const Folded::Signature& signature = folded_.signatures[at(item.signature)];
    Node& node = add_node(item.signature);
    node.step = item.step;
    for (Index k = 0; k < item.inputs; ++k)
      node.inputs.push_back(folded_.single_inputs[single_input_++]);
    for (std::size_t k = 0; k < signature.outputs.size(); ++k)
      add_output(node, signature, outputs_.next());
  }

  void add_loop(const Loop& loop) {
    std::vector<std::vector<OperationReader>> readers(loop.variants.size());
    for (std::size_t v = 0; v < readers.size(); ++v)
      for (const Loop::Operation& operation : loop.variants[v].operations)
        readers[v].emplace_back(operation);
    for (std::size_t i = 0; i < loop.variant.size(); ++i)
      for (OperationReader& reader : readers[at(loop.variant[i])]) {
        const Folded::Signature& signature = folded_.signatures[at(reader.operation->signature)];
        Node& node = add_node(reader.operation->signature);
        node.step = loop.steps[i];
        if (!reader.operation->steps.empty()) node.step = number(reader.step.next());
        const Index inputs = reader.operation->inputs.empty() ? std::ssize(reader.operands)
                                                              : number(reader.inputs.next());
        node.inputs.reserve(at(inputs));
        for (Index k = 0; k < inputs; ++k)
          node.inputs.push_back(
              value_of(reader.operands[at(k)].next(), loop, static_cast<Index>(i)));
        for (Reader<Result>& output : reader.outputs) add_output(node, signature, output.next());
      }
  }

  static Index number(const std::pair<const Progress*, Index>& from) {
    return from.first->first + from.second * from.first->stride;
  }

  Index value_of(const std::pair<const Source*, Index>& from, const Loop& loop,
                 Index iteration) const {
    const auto& [s, i] = from;
    switch (s->kind) {
      case Source::Kind::constant:
        return -1;
      case Source::Kind::leaf:
        return s->value + i * s->value_stride;
      case Source::Kind::outside:
        return output(s->node + i * s->node_stride, s->output + i * s->output_stride);
      case Source::Kind::inside:
      case Source::Kind::delayed:
        break;
    }
    return output(loop.starts[at(iteration - s->delay)] + s->node, s->output);
  }

  Index output(Index node, Index number) const {
    return snapshot_.nodes[at(node)].outputs[at(number)];
  }

  const Folded& folded_;
  Snapshot snapshot_;
  std::size_t leaf_ = 0;
  std::size_t single_input_ = 0;
  Reader<Result> outputs_;
};

}  // namespace

Snapshot unfold(const Folded& folded) { return Unfolding(folded).run(); }

}  // namespace unroll::graph
