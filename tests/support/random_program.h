#pragma once

#include <unroll/autograd/autograd.h>

#include <map>
#include <string>
#include <vector>

#include "support/instruction.h"

// Programs of tensor operations drawn at random: a case of any registered operation, whose operands
// are brought to where its check row wants them, and what is dangerous for a gradient pass: views
// of views, overlapping slices, addends that share a gradient, weights that are used often or are
// views themselves, tables that are also used densely.
namespace unroll::test {

// Values are numbered: first the leaves, then the results of the instructions.
class RandomProgram {
 public:
  RandomProgram(std::uint64_t seed, Index instructions);

  const std::vector<Tensor>& leaves() const { return leaves_; }
  std::size_t size() const { return shapes_.size(); }  // number of values
  const Shape& shape(std::size_t value) const { return shapes_[value]; }
  bool is_view(std::size_t value) const { return is_view_[value]; }

  // All values, from leaves in f64; where a value has an entry in `nudges`, that is added to it.
  std::vector<Tensor> run(std::span<const Tensor> leaves,
                          const std::map<std::size_t, Tensor>& nudges = {}) const;
  // The same for some of the instructions, after values that there are already.
  Index instructions() const { return std::ssize(instructions_); }
  std::vector<Tensor> run_part(std::vector<Tensor> values, Index from, Index to) const;
  // One number made of several late values.
  Tensor loss(std::span<const Tensor> values) const;

  std::string text() const;
  // Names of the registered operations that are called.
  std::vector<std::string> registered() const;

 private:
  void draw_leaves();
  bool append(Instruction::Kind kind);
  void accept(const Instruction& instruction);
  std::size_t any_value();
  std::size_t pick(const std::vector<std::size_t>& from);
  std::vector<std::size_t> of_shape(const Shape& shape) const;
  std::vector<std::size_t> of_rank(Index rank) const;
  bool draw_view(Instruction& i);
  bool draw_join(Instruction& i);
  bool draw_elementwise(Instruction& i);
  bool draw_product(Instruction& i);
  bool draw_registered(Instruction& i);

  Rng rng_;
  std::vector<Tensor> leaves_;
  std::vector<Instruction> instructions_;
  std::vector<Tensor> values_;  // while it is drawn
  std::vector<Shape> shapes_;
  std::vector<bool> is_view_;
  std::vector<std::size_t> weights_;                   // that products prefer
  std::vector<std::pair<std::size_t, Tensor>> terms_;  // of the loss
};

}  // namespace unroll::test
