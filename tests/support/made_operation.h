#pragma once

#include <unroll/autograd/autograd.h>
#include <unroll/autograd/backward.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

// Operations whose value and derivative are given apart, so that they need not belong together.
namespace unroll::test {

// What a derivative rule is given.
class Given {
 public:
  Given(Backward& b, Index inputs) : backward(b), inputs_(inputs) {}

  Tensor x(Index i = 0) const { return backward.saved(i); }
  Tensor y() const { return backward.saved(inputs_); }
  Tensor dy() const { return backward.upstream(); }
  bool recorded() const { return backward.differentiable(); }  // else it may work in place

  Backward& backward;

 private:
  Index inputs_;
};

using Value = std::function<Tensor(std::span<const Tensor>)>;
// A gradient for each input, not yet summed over broadcast axes; undefined: none.
using Rule = std::function<std::vector<Tensor>(const Given&)>;

// Copies are one operation; one of them has to outlive the tapes that recorded it.
class MadeOperation {
 public:
  MadeOperation(Value value, Rule rule)
      : parts_(std::make_shared<const Parts>(Parts{std::move(value), std::move(rule)})) {}

  Tensor operator()(std::span<const Tensor> inputs) const;
  Tensor operator()(std::initializer_list<Tensor> inputs) const {
    return (*this)(std::span<const Tensor>(inputs.begin(), inputs.size()));
  }

 private:
  struct Parts {
    Value value;
    Rule rule;
  };
  static void differentiate(Backward& b);
  static const Operation record_;
  std::shared_ptr<const Parts> parts_;
};

}  // namespace unroll::test
