#include <unroll/autograd/detail/check_finite.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/operation.h>
#include <unroll/autograd/simd/kernel.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

namespace unroll::detail {
namespace {

constexpr const char* needed = "finite values";
constexpr const char* mask_hint =
    "a mask: masked_fill(x, mask, -INFINITY) passes, and softmax(x, -1, {.mask = mask})";

std::string number_at(const Tensor& x, Index position) {
  const Tensor dense = dense_copy(x);
  std::ostringstream text;
  visit(x.dtype(), [&]<class T>(T) { text << data<T>(dense)[position]; });
  return text.str();
}

// " (finite, 0 there)": of an operand, and its element where the trouble is if it has the shape.
std::string state_of(const Tensor& x, const Tensor& beside, Index position) {
  if (x.size() == 1) return " (" + number_at(x, 0) + ")";
  if (!is_floating(x.dtype())) return {};
  const NonFinite found = find_non_finite(x);
  std::string text = found.first < 0 ? "finite" : describe(found, x.shape());
  if (x.shape() == beside.shape()) text += ", " + number_at(x, position) + " there";
  return " (" + text + ")";
}

// "head.W f32 [2, 3]": by its path or the name that the user gave, where there is one.
std::string who(const Recording& tape, std::uint32_t value, const std::string& type) {
  if (value == no_value) return type;
  const Value& v = tape.values[value];
  if (v.is_leaf != 0)
    if (const auto& info = tape.leaves[v.origin].info) return info->path() + " " + type;
  const auto named = tape.names.find(value);
  return named != tape.names.end() ? named->second + " " + type : type;
}

bool has(const Tensor& x, double number) {
  if (!is_floating(x.dtype())) return false;
  const Tensor dense = dense_copy(x);
  return visit_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(dense);
    return std::find(p, p + dense.size(), static_cast<T>(number)) != p + dense.size();
  });
}

constexpr double below = -std::numeric_limits<double>::infinity();

bool captures_below(std::span<const std::byte> function) {
  for (std::size_t at = 0; at + sizeof(double) <= function.size(); at += sizeof(double)) {
    double number = 0;
    std::memcpy(&number, function.data() + at, sizeof number);
    if (number == below) return true;
  }
  return false;
}

// Says "operands f32 [2] (finite, 0 there), head.W f32 [2, 3] (1 NaN, first at [0, 1])"; of many,
// the first three and those that are not finite.
class List {
 public:
  explicit List(const Tensor& beside, Index position) : beside_(beside), position_(position) {}

  void add(const std::string& name, const Tensor& x) {
    const bool bad = !all_finite(x);
    constexpr int most = 3;
    if (listed_ >= most && !bad) {
      ++left_;
      return;
    }
    text_ += (listed_++ == 0 ? "" : ", ") + name + state_of(x, beside_, position_);
    any_bad_ = any_bad_ || bad;
  }
  bool any_bad() const { return any_bad_; }
  std::string text() const {
    return left_ == 0 ? text_ : text_ + " and " + std::to_string(left_) + " more (finite)";
  }

 private:
  const Tensor& beside_;
  Index position_;
  std::string text_;
  int listed_ = 0;
  Index left_ = 0;
  bool any_bad_ = false;
};

void check_output(const Recording& tape, const Operation& operation,
                  std::span<const Tensor* const> inputs, const std::uint32_t* values,
                  std::span<const std::byte> attributes, const Tensor& output) {
  NonFinite found = find_non_finite(output);
  if (found.first < 0) return;
  bool brought_in = operation.pointwise != nullptr && captures_below(attributes);
  for (std::size_t k = 0; k < inputs.size() && !brought_in; ++k) {
    const bool is_leaf = values[k] != no_value && tape.values[values[k]].is_leaf != 0;
    brought_in = !is_leaf && has(*inputs[k], below);
  }
  if (brought_in) found = find_nan_or_above(output);
  if (found.first < 0) return;

  List operands(output, found.first);
  std::string hint = "this is the first operation of the tape where they arise";
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& x = *inputs[k];
    const std::string name = who(tape, values[k], describe(x));
    if (!operands.any_bad() && !all_finite(x)) {
      if (values[k] == no_value)
        hint = "the constant brought them in; " + std::string(mask_hint);
      else if (tape.values[values[k]].is_leaf != 0)
        hint = name + " had them when the tape first read it";
      else
        hint = mask_hint;
    }
    operands.add(name, x);
  }
  const std::string made =
      describe(output) + " with " + describe(found, output.shape()) + ", from " + operands.text();
  if (tape.differentiated == no_node)
    fail(operation.name, {.given = "makes " + made, .needed = needed, .hint = hint});
  const Node& node = tape.nodes[tape.differentiated];
  fail_at(node.operation->name, tape.place_of(node),
          {.given = std::string("its derivative, at ") + operation.name + ", makes " + made,
           .needed = needed,
           .hint = "this is the first derivative where they arise"});
}

[[noreturn]] void fail_gradient(const Recording& tape, const Node& node, std::uint32_t input,
                                const std::string& made, const List& upstream, const List& read) {
  std::string given = "its derivative makes gradient ";
  const std::uint32_t value = tape.inputs_of(node)[input];
  const std::string type =
      std::string(name_of(tape.dtype_of_value(value))) + " " + to_string(tape.shape_of(value));
  given += "of operand " + std::to_string(input) + " " + who(tape, value, type) + " with " + made;
  if (const std::string text = upstream.text(); !text.empty()) given += ", given " + text;
  if (const std::string text = read.text(); !text.empty()) given += ", reading " + text;
  fail_at(node.operation->name, tape.place_of(node),
          {.given = given,
           .needed = needed,
           .hint = upstream.any_bad() ? "what it was given is the sum of several gradients, or was "
                                        "changed by a hook"
                                      : "this is the first derivative where they arise"});
}

void list_saved(const Recording& tape, const Node& node, List& read) {
  for (std::uint8_t i = 0; i < node.saved; ++i) {
    Header* const h = tape.saved_of(node)[i];
    if (!Recording::is_held(h)) continue;
    retain(h);
    const Tensor x = Tensor::adopt(h);
    std::uint32_t value = h->tape == tape.serial ? h->value : no_value;
    for (std::uint32_t k = 0; k < node.inputs && value == no_value; ++k) {
      const std::uint32_t v = tape.inputs_of(node)[k];
      if (v != no_value && tape.values[v].is_leaf != 0 &&
          tape.leaves[tape.values[v].origin].header == h)
        value = v;
    }
    read.add(who(tape, value, describe(x)), x);
  }
}

}  // namespace

void check_made(const Recording& tape, const Operation& operation,
                std::span<const Tensor* const> inputs, const std::uint32_t* values,
                std::span<const std::byte> attributes, std::span<Header* const> outputs) {
  for (Header* const made : outputs) {
    retain(made);
    check_output(tape, operation, inputs, values, attributes, Tensor::adopt(made));
  }
}

void check_gradient(const Recording& tape, const Node& node, std::uint32_t input,
                    std::span<const Tensor> upstream, const Tensor& gradient,
                    const Tensor& factor) {
  const NonFinite found = find_non_finite(gradient);
  if (found.first < 0) return;
  List given(gradient, found.first), read(gradient, found.first);
  for (const Tensor& g : upstream)
    if (g.defined()) given.add(describe(g), g);
  list_saved(tape, node, read);
  if (factor.defined()) read.add(describe(factor), factor);
  fail_gradient(tape, node, input, describe(found, gradient.shape()), given, read);
}

void check_gradient_rows(const Recording& tape, const Node& node, std::uint32_t input,
                         const Tensor& ids, const Tensor& rows) {
  NonFinite found = find_non_finite(rows);
  if (found.first < 0) return;
  const List none(rows, 0);
  List given(rows, found.first);
  given.add(describe(rows), rows);
  const Shape table = tape.shape_of(tape.inputs_of(node)[input]);
  const Index columns = table[-1];
  const Tensor dense = dense_copy(ids);
  found.first = data<Index>(dense)[found.first / columns] * columns + found.first % columns;
  fail_gradient(tape, node, input, describe(found, table), given, none);
}

void check_sum(const Recording& tape, std::uint32_t value, const Tensor& sum) {
  const NonFinite found = find_non_finite(sum);
  if (found.first < 0) return;
  fail_nowhere("backward", {.given = "finite gradients of " + who(tape, value, describe(sum)) +
                                     " add up to " + describe(found, sum.shape()),
                            .needed = needed,
                            .hint = "a smaller loss"});
}

void check_upstream(const Tensor& upstream) {
  const NonFinite found = find_non_finite(upstream);
  if (found.first < 0) return;
  fail_nowhere("backward", {.given = "upstream " + describe(upstream) + " has " +
                                     describe(found, upstream.shape()),
                            .needed = needed,
                            .hint = {}});
}

}  // namespace unroll::detail
