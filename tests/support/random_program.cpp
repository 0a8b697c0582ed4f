#include "support/random_program.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "check_variants/operand_layouts.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

using Kind = Instruction::Kind;

// How often each kind is tried.
constexpr std::array<std::pair<Kind, int>, 24> odds{{
    {Kind::select, 6}, {Kind::slice, 9},       {Kind::transpose, 5},     {Kind::reshape, 4},
    {Kind::split, 5},  {Kind::expand, 1},      {Kind::contiguous, 1},    {Kind::stack, 4},
    {Kind::concat, 4}, {Kind::tanh, 3},        {Kind::add, 4},           {Kind::sub, 2},
    {Kind::mul, 5},    {Kind::scale, 3},       {Kind::gate, 5},          {Kind::matmul, 6},
    {Kind::affine, 2}, {Kind::affine_sum, 12}, {Kind::embedding, 3},     {Kind::sum, 1},
    {Kind::mean, 1},   {Kind::softmax, 1},     {Kind::cross_entropy, 1}, {Kind::registered, 25},
}};

bool makes_view(Kind kind) { return kind <= Kind::split; }

double largest(const Tensor& x) {
  double most = 0;
  for (const double value : values(x))
    if (!(std::abs(value) <= most)) most = std::abs(value);  // NaN stays
  return most;
}

}  // namespace

RandomProgram::RandomProgram(std::uint64_t seed, Index instructions) : rng_(seed) {
  draw_leaves();
  int total = 0;
  for (const auto& [kind, weight] : odds) total += weight;
  while (std::ssize(instructions_) < instructions) {
    Index at = rng_.below(total);
    for (const auto& [kind, weight] : odds) {
      at -= weight;
      if (at >= 0) continue;
      append(kind);
      break;
    }
  }
  // Late values and a few of any age, so that some are read again long after.
  const Index terms = 2 + rng_.below(3);
  for (Index k = 0; k < terms; ++k) {
    const std::size_t value =
        k < 2 ? size() - 1 - static_cast<std::size_t>(rng_.below(4)) : any_value();
    terms_.emplace_back(value, random_weights(shapes_[value], rng_));
  }
  values_.clear();
}

void RandomProgram::draw_leaves() {
  const Index n = 2 + rng_.below(3);
  const std::vector<Shape> shapes{{n, n}, {n, n}, {4, n}, {3, 4, n}, {n}, {n, 4}};
  const Index count = 3 + rng_.below(4);
  for (Index k = 0; k < count; ++k) {
    const Shape& shape =
        shapes[static_cast<std::size_t>(k < 2 ? k : rng_.below(std::ssize(shapes)))];
    leaves_.push_back(uniform(shape, -0.9, 0.9, rng_, f64));
    values_.push_back(leaves_.back());
    shapes_.push_back(shape);
    is_view_.push_back(false);
    if (shape.rank() == 2 && k < 3) weights_.push_back(static_cast<std::size_t>(k));
  }
}

std::size_t RandomProgram::pick(const std::vector<std::size_t>& from) {
  return from[static_cast<std::size_t>(rng_.below(std::ssize(from)))];
}

// Any value, recent ones and leaves more often.
std::size_t RandomProgram::any_value() {
  const auto count = static_cast<Index>(size());
  const Index recent = std::min<Index>(count, 8);
  switch (rng_.below(3)) {
    case 0:
      return static_cast<std::size_t>(count - 1 - rng_.below(recent));
    case 1:
      return static_cast<std::size_t>(rng_.below(std::ssize(leaves_)));
    default:
      return static_cast<std::size_t>(rng_.below(count));
  }
}

std::vector<std::size_t> RandomProgram::of_shape(const Shape& shape) const {
  std::vector<std::size_t> found;
  for (std::size_t k = 0; k < size(); ++k)
    if (shapes_[k] == shape) found.push_back(k);
  return found;
}

std::vector<std::size_t> RandomProgram::of_rank(Index rank) const {
  std::vector<std::size_t> found;
  for (std::size_t k = 0; k < size(); ++k)
    if (shapes_[k].rank() == rank) found.push_back(k);
  return found;
}

bool RandomProgram::draw_view(Instruction& i) {
  const std::size_t x = any_value();
  const Shape& shape = shapes_[x];
  const Index rank = shape.rank();
  i.operands = {x};
  if (i.kind == Kind::contiguous) return true;
  if (i.kind == Kind::expand) {
    if (rank > 2) return false;
    i.shape = shape.inserted(0, 2 + rng_.below(2));
    return true;
  }
  if (rank == 0) return false;
  i.axis = rng_.below(rank);
  const Index extent = shape[i.axis];
  switch (i.kind) {
    case Kind::select:
      if (rank < 2) return false;
      i.from = rng_.below(extent);
      return true;
    case Kind::slice:
      i.from = rng_.below(extent);
      i.to = i.from + 1 + rng_.below(extent - i.from);
      i.step = rng_.below(3) == 0 ? 2 : 1;
      return true;
    case Kind::transpose:
      if (rank < 2) return false;
      i.to = rng_.below(rank);
      return i.to != i.axis;
    case Kind::reshape:
      switch (rng_.below(4)) {
        case 0:
          i.shape = {shape.size()};
          break;
        case 1:
          i.shape = {shape.size() / shape[-1], shape[-1]};
          break;
        case 2:
          i.shape = {1, shape.size()};
          break;
        default:
          if (shape.size() % 2 != 0) return false;
          i.shape = {2, shape.size() / 2};
      }
      return true;
    default:
      return extent % 2 == 0;
  }
}

bool RandomProgram::draw_join(Instruction& i) {
  const std::size_t first = any_value();
  const Shape& shape = shapes_[first];
  if (shape.rank() > 2 || (i.kind == Kind::concat && shape.rank() == 0)) return false;
  const auto alike = of_shape(shape);
  i.operands = {first};
  const Index more = 1 + rng_.below(3);
  for (Index k = 0; k < more; ++k) i.operands.push_back(rng_.below(4) == 0 ? first : pick(alike));
  i.axis = rng_.below(i.kind == Kind::stack ? shape.rank() + 1 : shape.rank());
  return true;
}

bool RandomProgram::draw_elementwise(Instruction& i) {
  const std::size_t x = any_value();
  i.operands = {x};
  if (i.kind == Kind::tanh || i.kind == Kind::scale) return true;
  if (i.kind == Kind::sum || i.kind == Kind::mean || i.kind == Kind::softmax) {
    if (shapes_[x].rank() == 0) return false;
    i.axis = rng_.below(shapes_[x].rank());
    i.from = rng_.below(2);
    return true;
  }
  const int arity = i.kind == Kind::gate ? 3 : 2;
  std::vector<std::size_t> fit;
  Shape wider;
  for (std::size_t k = 0; k < size(); ++k)
    if (shapes_[k] == shapes_[x] ||
        (rng_.below(4) == 0 && broadcast(shapes_[k], shapes_[x], wider) && wider.size() <= 40))
      fit.push_back(k);
  Shape all = shapes_[x];
  while (std::ssize(i.operands) < arity) {
    const std::size_t next = pick(fit);
    if (!broadcast(all, shapes_[next], wider)) return false;
    all = wider;
    i.operands.push_back(next);
  }
  if (rng_.below(2) == 0) std::reverse(i.operands.begin(), i.operands.end());
  return all.size() <= 60;
}

bool RandomProgram::draw_product(Instruction& i) {
  if (i.kind == Kind::embedding) {
    const std::size_t table = rng_.below(2) == 0 ? pick(weights_) : pick(of_rank(2));
    if (shapes_[table].size() == 0) return false;
    i.operands = {table};
    std::vector<Index> ids(3);
    for (Index& id : ids) id = rng_.below(shapes_[table][0]);
    i.ids = from(std::span<const Index>(ids), {3});
    return true;
  }
  if (i.kind == Kind::cross_entropy) {
    const std::size_t x = pick(of_rank(2));
    std::vector<Index> ids(static_cast<std::size_t>(shapes_[x][0]));
    for (Index& id : ids) id = rng_.below(shapes_[x][1]);
    i.operands = {x};
    i.ids = from(std::span<const Index>(ids), {shapes_[x][0]});
    return true;
  }
  const std::size_t W = rng_.below(4) != 0 ? pick(weights_) : pick(of_rank(2));
  std::vector<std::size_t> fit;
  for (std::size_t k = 0; k < size(); ++k)
    if (shapes_[k].rank() > 0 && shapes_[k].rank() < 4 && shapes_[k][-1] == shapes_[W][0])
      fit.push_back(k);
  if (fit.empty()) return false;
  const std::size_t x = pick(fit);
  i.operands = {x, W};
  if (i.kind == Kind::matmul) return true;
  const Shape result = shapes_[x].with(-1, shapes_[W][1]);
  const auto addends = of_shape(i.kind == Kind::affine ? Shape{shapes_[W][1]} : result);
  if (addends.empty()) return false;
  // The latest is the likeliest to be used here alone.
  i.operands.push_back(rng_.below(2) == 0 ? addends.back() : pick(addends));
  return true;
}

bool RandomProgram::draw_registered(Instruction& i) {
  const auto& all = registered_checks();
  const auto& [name, check] = all[static_cast<std::size_t>(rng_.below(std::ssize(all)))];
  i.call.check_case = &check.cases[static_cast<std::size_t>(rng_.below(std::ssize(check.cases)))];
  i.call.name = name;
  Shape common;
  for (const CheckInput& input : i.call.check_case->inputs) {
    const std::size_t x = any_value();
    Shape shape = check.elementwise ? shapes_[x] : input.shape;
    Shape wider;
    if (check.elementwise && !broadcast(common, shape, wider)) shape = common;
    if (shapes_[x].size() < shape.size()) return false;
    if (check.elementwise && broadcast(common, shape, wider)) common = wider;
    i.operands.push_back(x);
    i.call.shapes.push_back(shape);
    i.call.constants.push_back(input.ids > 0 || input.spaced ? checks::draw(input, shape, rng_)
                                                             : Tensor{});
  }
  return common.size() <= 60;
}

bool RandomProgram::append(Kind kind) {
  Instruction i{.kind = kind};
  bool drawn = false;
  if (kind == Kind::registered)
    drawn = draw_registered(i);
  else if (kind <= Kind::contiguous)
    drawn = draw_view(i);
  else if (kind <= Kind::concat)
    drawn = draw_join(i);
  else if (kind >= Kind::matmul && (kind <= Kind::embedding || kind == Kind::cross_entropy))
    drawn = draw_product(i);
  else
    drawn = draw_elementwise(i);
  if (!drawn) return false;
  const std::vector<Tensor> made = execute(i, values_);
  for (const Tensor& x : made)
    if (x.size() == 0 || x.size() > 60 || x.rank() > 4 || x.dtype() != f64 ||
        !std::isfinite(largest(x)))
      return false;
  accept(i);
  return true;
}

void RandomProgram::accept(const Instruction& i) {
  instructions_.push_back(i);
  bool large = false;
  for (const Tensor& x : execute(i, values_)) {
    const std::size_t value = size();
    values_.push_back(x);
    shapes_.push_back(x.shape());
    is_view_.push_back(makes_view(i.kind));
    large = large || largest(x) > 2;
    // Weights that are views or computed, used again and again.
    const bool of_weight =
        std::find(weights_.begin(), weights_.end(), i.operands[0]) != weights_.end();
    if (x.rank() == 2 && weights_.size() < 8 && (of_weight || rng_.below(12) == 0))
      weights_.push_back(value);
  }
  if (large) accept({.kind = Kind::tanh, .operands = {size() - 1}});
}

std::vector<Tensor> RandomProgram::run(std::span<const Tensor> leaves,
                                       const std::map<std::size_t, Tensor>& nudges) const {
  std::vector<Tensor> all(leaves.begin(), leaves.end());
  for (const Instruction& i : instructions_)
    for (Tensor& made : execute(i, all)) {
      const auto nudge = nudges.find(all.size());
      all.push_back(nudge == nudges.end() ? std::move(made) : made + nudge->second);
    }
  return all;
}

std::vector<Tensor> RandomProgram::run_part(std::vector<Tensor> values, Index from,
                                            Index to) const {
  for (Index i = from; i < to; ++i)
    for (Tensor& made : execute(instructions_[static_cast<std::size_t>(i)], values))
      values.push_back(std::move(made));
  return values;
}

Tensor RandomProgram::loss(std::span<const Tensor> all) const {
  Tensor total;
  for (const auto& [value, w] : terms_) {
    const Tensor term = sum(all[value] * w);
    total = total.defined() ? total + term : term;
  }
  return total;
}

std::vector<std::string> RandomProgram::registered() const {
  std::vector<std::string> names;
  for (const Instruction& i : instructions_)
    if (i.call.check_case != nullptr) names.emplace_back(i.call.name);
  return names;
}

std::string RandomProgram::text() const {
  std::ostringstream out;
  std::size_t value = 0;
  for (; value < leaves_.size(); ++value)
    out << "v" << value << " = leaf " << shapes_[value] << "\n";
  for (const Instruction& i : instructions_) {
    out << "v" << value << " = " << name_of(i.kind) << " " << i.call.name << "(";
    for (const std::size_t k : i.operands) out << "v" << k << " ";
    out << "axis=" << i.axis << " from=" << i.from << " to=" << i.to << " step=" << i.step << ") "
        << shapes_[value] << "\n";
    value += i.kind == Kind::split || i.kind == Kind::gate ? 2 : 1;
  }
  for (const auto& [k, w] : terms_) out << "loss += v" << k << "\n";
  return out.str();
}

}  // namespace unroll::test
