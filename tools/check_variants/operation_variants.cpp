#include "check_variants/operation_variants.h"

#include <algorithm>
#include <cmath>

namespace unroll::checks {
namespace {

std::vector<Tensor> unwrapped(std::span<const Tensor> in, const std::vector<Unwrap>& unwrap) {
  std::vector<Tensor> operands(in.begin(), in.end());
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (unwrap[i]) operands[i] = unwrap[i](operands[i]);
  return operands;
}

DType dtype_of(std::span<const Tensor> in) {
  const auto floating =
      std::find_if(in.begin(), in.end(), [](const Tensor& x) { return is_floating(x.dtype()); });
  return floating == in.end() ? f64 : floating->dtype();
}

bool is_finite(const Tensor& y) {
  const Tensor dense = contiguous(y).to(f64);
  const auto all = dense.span<double>();
  return std::all_of(all.begin(), all.end(), [](double v) { return std::isfinite(v); });
}

// One case with all its inputs, or one of them, laid out in every way.
void add_layouts(const CheckCase& c, Rng& rng, std::vector<Variant>& all) {
  const std::size_t arity = c.inputs.size();
  for (const Layout layout : all_layouts) {
    for (std::size_t only = 0; only <= arity; ++only) {
      if (only < arity && (arity == 1 || layout == Layout::dense)) continue;
      std::vector<Tensor> leaves = draw_all(c, rng);
      std::vector<Unwrap> unwrap(arity);
      bool any = false;
      for (std::size_t i = 0; i < arity; ++i) {
        if (only < arity && i != only) continue;
        Laid laid = lay_out(leaves[i], layout);
        if (!laid.base.defined()) continue;
        any = true;
        leaves[i] = laid.base;
        unwrap[i] = laid.unwrap;
      }
      if (!any) continue;
      const bool repeated = layout == Layout::repeated_rows || layout == Layout::repeated_columns;
      all.push_back({.name = c.name + ", " + name_of(layout) +
                             (only < arity ? " input " + std::to_string(only) : ""),
                     .leaves = leaves,
                     .f = [call = c.call, unwrap](
                              std::span<const Tensor> in) { return call(unwrapped(in, unwrap)); },
                     .dense_f =
                         [call = c.call, unwrap](std::span<const Tensor> in) {
                           std::vector<Tensor> operands = unwrapped(in, unwrap);
                           for (Tensor& x : operands) x = contiguous(x);
                           return call(operands);
                         },
                     .alone = !repeated,
                     .scale = repeated ? 1e4 : 1.0});
      if (only < arity) continue;
      all.push_back(all.back());
      all.back().name += ", gaps";
      all.back().gaps = true;
    }
  }
}

// Laid out in every way, with gaps, used twice, consumed in pieces, beside another reader of its
// inputs, with every subset of inputs constant.
void add_structured(const CheckCase& c, Rng& rng, std::vector<Variant>& all) {
  add_layouts(c, rng, all);
  all.push_back({.name = c.name + ", gaps", .leaves = draw_all(c, rng), .f = c.call, .gaps = true});
  all.push_back({.name = c.name + ", used twice",
                 .leaves = draw_all(c, rng),
                 .f =
                     [call = c.call](std::span<const Tensor> in) {
                       const Tensor y = call(in);
                       return y * 0.5 + call(in) * y;
                     },
                 .alone = false});
  all.push_back({.name = c.name + ", consumed in pieces",
                 .leaves = draw_all(c, rng),
                 .f = [call = c.call](std::span<const Tensor> in) { return in_pieces(call(in)); },
                 .alone = false});
  for (const bool before : {false, true})
    all.push_back({.name = c.name + (before ? ", read before" : ", read afterwards"),
                   .leaves = draw_all(c, rng),
                   .f =
                       [call = c.call, before](std::span<const Tensor> in) {
                         std::vector<Tensor> parts;
                         const auto read = [&] {
                           for (const Tensor& x : in)
                             if (is_floating(x.dtype()))
                               parts.push_back(reshape(x * x, {x.size()}));
                         };
                         if (before) read();
                         const Tensor y = call(in);
                         parts.push_back(reshape(y, {y.size()}).to(dtype_of(in)));
                         if (!before) read();
                         return concat(parts, 0);
                       },
                   .alone = false});
  for (unsigned constants = 1; constants < 1U << c.inputs.size(); ++constants)
    all.push_back({.name = c.name + ", constants " + std::to_string(constants),
                   .leaves = draw_all(c, rng),
                   .f = c.call,
                   .constants = constants});
}

// The same case with other extents, where it can be called with them.
void add_sizes(const CheckCase& c, Rng& rng, std::vector<Variant>& all) {
  struct Sized {
    CheckCase check_case;
    bool ample;  // what normalises has little gradient over one or two elements, by cancellation
  };
  std::vector<Sized> sized;
  for (const Index extent : extents_of(c))
    for (const Index other : {0, 1, 2, 7})
      if (auto made = resized(c, extent, other); made && other != extent) {
        made->name += ", " + std::to_string(extent) + " → " + std::to_string(other);
        sized.push_back({*made, other > 2});
      }
  CheckCase stacked = c;
  stacked.name += ", an axis more";
  for (CheckInput& input : stacked.inputs)
    if (input.shape.rank() < Shape::max_rank) input.shape = input.shape.inserted(0, 2);
  sized.push_back({stacked, true});
  for (const auto& [made, ample] : sized) {
    const std::vector<Tensor> leaves = draw_all(made, rng);
    if (std::any_of(leaves.begin(), leaves.end(), [](const Tensor& x) { return x.size() > 100; }))
      continue;
    try {
      const Tensor y = made.call(leaves);
      if (y.size() > 100 || !is_finite(y)) continue;  // a mean of nothing has no derivative
    } catch (const Error&) {
      continue;  // the case is about these extents
    }
    all.push_back({.name = made.name,
                   .leaves = leaves,
                   .f = made.call,
                   .alone = ample,
                   .scale = ample ? 1.0 : 1e4});
    all.push_back({.name = made.name + ", gaps",
                   .leaves = leaves,
                   .f = made.call,
                   .gaps = true,
                   .alone = ample,
                   .scale = ample ? 1.0 : 1e4});
  }
}

std::vector<std::vector<Shape>> broadcast_shapes(std::size_t arity) {
  std::vector<std::vector<Shape>> all;
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 4}, Shape{2, 3, 4}, Shape{2, 1, 3, 2},
                             Shape{0}, Shape{3, 0}, Shape{1}, Shape{1, 1}, Shape{67}, Shape{3, 19}})
    all.emplace_back(arity, shape);
  if (arity < 2) return all;
  for (const auto& [a, b] :
       {std::pair{Shape{3, 4}, Shape{4}}, std::pair{Shape{3, 1}, Shape{1, 4}},
        std::pair{Shape{2, 3, 4}, Shape{}}, std::pair{Shape{2, 1, 4}, Shape{3, 1}},
        std::pair{Shape{0}, Shape{1}}, std::pair{Shape{2, 3, 5}, Shape{2, 1, 1}},
        std::pair{Shape{2, 9}, Shape{2, 1}}, std::pair{Shape{2, 1, 3, 1}, Shape{5, 1, 4}}})
    for (std::size_t one = 0; one < arity; ++one) {
      std::vector<Shape> shapes(arity, a);
      shapes[one] = b;
      all.push_back(shapes);
    }
  return all;
}

void add_same_twice(const CheckCase& c, Rng& rng, std::vector<Variant>& all) {
  const std::size_t arity = c.inputs.size();
  const auto same_range = [&](const CheckInput& x) {
    return x.low == c.inputs[0].low && x.high == c.inputs[0].high;
  };
  const bool alike = std::all_of(c.inputs.begin(), c.inputs.end(), same_range);
  const CheckInput& narrow = alike ? c.inputs[0] : c.inputs.back();
  for (const Layout layout : all_layouts) {
    const Laid laid = lay_out(draw(narrow, {3, 4}, rng), layout);
    if (!laid.base.defined()) continue;
    all.push_back({.name = c.name + " same tensor twice, " + name_of(layout),
                   .leaves = {laid.base},
                   .f =
                       [call = c.call, unwrap = laid.unwrap, arity](std::span<const Tensor> in) {
                         const Tensor x = unwrap ? unwrap(in[0]) : in[0];
                         return call(std::vector<Tensor>(arity, x));
                       },
                   .alone = false});
  }
}

void add_elementwise(const CheckCase& c, Rng& rng, std::vector<Variant>& all) {
  for (const auto& shapes : broadcast_shapes(c.inputs.size())) {
    std::string name;
    std::vector<Tensor> leaves;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      leaves.push_back(draw(c.inputs[i], shapes[i], rng));
      name += " " + to_string(shapes[i]);
    }
    all.push_back({.name = c.name + name, .leaves = leaves, .f = c.call});
    all.push_back({.name = c.name + name + " gaps", .leaves = leaves, .f = c.call, .gaps = true});
  }
  for (const Shape& shape : {Shape{3, 4}, Shape{2, 3, 9}}) {
    CheckCase sized = c;
    for (CheckInput& input : sized.inputs) input.shape = shape;
    add_structured(sized, rng, all);
  }
  const bool ids = std::any_of(c.inputs.begin(), c.inputs.end(),
                               [](const CheckInput& input) { return input.ids > 0; });
  if (c.inputs.size() > 1 && !ids) add_same_twice(c, rng, all);
}

}  // namespace

bool is_watched(const Variant& v, std::size_t leaf) {
  return is_floating(v.leaves[leaf].dtype()) && (v.constants >> leaf & 1U) == 0;
}

std::vector<Variant> variants_of(const Check& check, Rng& rng) {
  std::vector<Variant> all;
  for (const CheckCase& c : check.cases) {
    if (check.elementwise) {
      add_elementwise(c, rng, all);
      continue;
    }
    add_structured(c, rng, all);
    if (!check.trusts_caller) add_sizes(c, rng, all);
  }
  for (Variant& v : all)
    for (Tensor& leaf : v.leaves)
      if (is_floating(leaf.dtype())) leaf = leaf.to(f32).to(f64);
  return all;
}

std::vector<Tensor> draw_all(const CheckCase& c, Rng& rng) {
  std::vector<Tensor> leaves;
  for (const CheckInput& input : c.inputs) leaves.push_back(draw(input, input.shape, rng));
  return leaves;
}

std::optional<CheckCase> resized(const CheckCase& c, Index from, Index to) {
  CheckCase made = c;
  bool any = false;
  for (CheckInput& input : made.inputs)
    for (Index axis = 0; axis < input.shape.rank(); ++axis)
      if (input.shape[axis] == from) {
        input.shape = input.shape.with(axis, to);
        any = true;
      }
  return any ? std::optional(made) : std::nullopt;
}

std::vector<Index> extents_of(const CheckCase& c) {
  std::vector<Index> all;
  for (const CheckInput& input : c.inputs)
    for (const Index extent : input.shape.extents())
      if (std::find(all.begin(), all.end(), extent) == all.end()) all.push_back(extent);
  return all;
}

}  // namespace unroll::checks
