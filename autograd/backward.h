#pragma once

#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/operation.h>

namespace unroll {

namespace detail {
class GradientPass;

// Where a rule that works in place writes the gradient of an input, and whether it adds to what is
// there.
struct Destination {
  Tensor buffer;
  bool accumulate = false;
  bool read_by_others = false;  // by products that wait, or as the gradient of a sum above it
};
}  // namespace detail

// What a derivative rule is given: one recorded operation and the gradients of its outputs.
class Backward {
 public:
  Backward(detail::GradientPass& pass, const detail::Node& node) : pass_(pass), node_(node) {}

  Index inputs() const { return node_.inputs; }
  Index outputs() const { return node_.outputs; }
  // Whether anybody asked for what flows into this input.
  bool needs(Index input) const;
  Shape input_shape(Index input) const;
  Shape output_shape(Index output = 0) const;

  // Gradient of the result with respect to an output; undefined where nothing flowed.
  Tensor upstream(Index output = 0) const;
  Tensor saved(Index i) const;
  template <class Attributes>
  const Attributes& attributes() const {
    return *reinterpret_cast<const Attributes*>(node_.payload);
  }
  // What was recorded behind a fixed part of the attributes.
  template <class Attributes, class Element>
  const Element* attributes_tail() const {
    return reinterpret_cast<const Element*>(node_.payload + sizeof(Attributes));
  }

  // Adds a gradient to an input's, summed over the axes that were broadcast.
  void add(Index input, const Tensor& gradient);

  // Whether what the rule does is being recorded. The rest is for rules that work in place where it
  // is not.
  bool differentiable() const;
  // What upstream() returned before may be elsewhere afterwards.
  detail::Destination destination(Index input);
  // Whether the gradient of output 0 is the same memory as that of input 2: nothing is left to add.
  bool shares_gradient_with_third() const;
  // True where input is used more than once, so that its products are worth gathering.
  bool used_often(Index input) const;
  // gradient of input += aᵀ·g, taken together with all such products of the same input.
  void defer_product(Index input, const Tensor& a, const Tensor& g);
  // The same while recording; and g as a region of the gradient of input.
  void add_recorded_product(Index input, const Tensor& a, const Tensor& g);
  void add_recorded_region(Index input, const Tensor& g, const detail::Layout& layout);
  // gradient of input (a table [count, size]) += rows g at ids, kept sparse while nothing dense
  // comes.
  void add_rows(Index input, const Tensor& ids, const Tensor& g);
  // Hands `piece`, a region of output 0's own gradient, to an input as its gradient; false where
  // that is not possible and it must be added.
  bool hand_over(Index input, const Tensor& piece);
  bool may_hand_over() const;

  detail::GradientPass& pass() { return pass_; }
  const detail::Node& node() const { return node_; }

 private:
  std::uint32_t value_of(Index input) const;

  detail::GradientPass& pass_;
  const detail::Node node_;
};

}  // namespace unroll
