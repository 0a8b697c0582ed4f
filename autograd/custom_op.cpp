#include <unroll/autograd/custom_op.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/scope.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

namespace unroll {
namespace {

using Rule = void (*)(Backward&);
using AnyFunction = void (*)();
using CheckFunction = Check (*)();

struct Record {
  std::string name;
  std::string formula;
  AnyFunction derivative = nullptr;
  Operation operation;

  bool is(const char* wanted, Rule rule, AnyFunction of_user, CheckFunction check) const {
    return operation.derivative == rule && derivative == of_user && operation.check == check &&
           name == wanted;
  }
};

struct Records {
  std::mutex mutex;
  std::map<std::tuple<std::string, Rule, AnyFunction, CheckFunction>, std::unique_ptr<Record>> all;
};
Records& records() {
  static Records* const instance = new Records;
  return *instance;
}

// The last few records that this thread asked for, by where their rule lies.
constexpr std::size_t few = 16;
constinit thread_local std::array<const Record*, few> recent{};

std::string what(Index i) { return "input " + std::to_string(i); }

[[noreturn]] void fail_not_saved(const Backward& b, const char* what, const char* hint) {
  fail(b.node().operation->name,
       {.given = std::string("derivative reads ") + what + ", which .saves does not list",
        .needed = "what is saved",
        .hint = std::string(hint) + ", or Saves::both"});
}

// Whether a tensor of shape `small` stretches to `large`, so that what has the shape of `large` can
// be summed to it.
bool stretches(const Shape& small, const Shape& large) {
  Shape both;
  return broadcast(small, large, both) && both == large;
}

// What forward returned, as a tensor that nobody else holds and that has no history: it may be an
// input, a constant of the user's or the value of a tape that forward opened.
Tensor own_handle(Tensor made) {
  const detail::Header& h = *made.header();
  const bool its_own = h.references.load(std::memory_order_acquire) == 1 && h.tape == 0 &&
                       !h.is(detail::Header::leaf);
  return its_own ? std::move(made) : detach(made);
}

}  // namespace

Tensor Saved::Inputs::operator[](Index i) const {
  if (saves_ != Saves::inputs && saves_ != Saves::both)
    fail_not_saved(b_, what(i).c_str(), ".saves = Saves::inputs");
  if (i < 0 || i >= size())
    fail(b_.node().operation->name, {.given = "derivative reads " + what(i),
                                     .needed = "0 … " + std::to_string(size() - 1),
                                     .hint = {}});
  return b_.saved(i);
}

Tensor Saved::output() const {
  if (saves_ != Saves::output && saves_ != Saves::both)
    fail_not_saved(b_, "the output", ".saves = Saves::output");
  return b_.saved(saves_ == Saves::both ? b_.inputs() : 0);
}

namespace detail {

const Operation& custom_operation(const char* name, Rule rule, AnyFunction derivative,
                                  CheckFunction check, const char* formula) {
  const Record*& slot = recent[(reinterpret_cast<std::uintptr_t>(derivative) >> 4) % few];
  if (slot != nullptr && slot->is(name, rule, derivative, check)) return slot->operation;
  Records& r = records();
  const std::lock_guard lock(r.mutex);
  auto& record = r.all[{name, rule, derivative, check}];
  if (record == nullptr) {
    record = std::make_unique<Record>();
    record->name = name;
    record->derivative = derivative;
    record->operation.name = record->name.c_str();
    record->operation.derivative = rule;
    record->operation.check = check;
    record->formula = formula;
    record->operation.formula = record->formula.c_str();
  }
  slot = record.get();
  return record->operation;
}

void register_custom(const Operation& operation, const char* source) {
  const_cast<Operation&>(operation).file = source;  // a Record's, which is not const
  list_operation(operation);
}

void check_custom(const char* name, bool has_forward, bool has_derivative) {
  const bool named = name != nullptr && *name != '\0';
  if (named && has_forward && has_derivative) return;
  fail(named ? name : "custom_op",
       {.given = std::string("a CustomOp without a ") + (!named         ? ".name"
                                                         : !has_forward ? ".forward"
                                                                        : ".derivative"),
        .needed = "all three",
        .hint = "CustomOp<1> op{.name = \"op\", .forward = …, .derivative = …}"});
}

void check_custom_operands(const Operation& operation, std::span<const Tensor> inputs) {
  std::vector<const Tensor*> pointers;
  for (const Tensor& x : inputs) pointers.push_back(&x);
  static_cast<void>(is_recording(operation.name, pointers));
}

Tensor record_custom(const Operation& operation, std::span<const Tensor> inputs, Tensor made,
                     Saves saves, const void* attributes, std::size_t attribute_bytes) {
  if (!made.defined())
    fail(operation.name, {.given = "forward returned an undefined tensor",
                          .needed = "a tensor",
                          .hint = "return abs(in[0]);"});
  if (!is_floating(made.dtype()))
    fail(operation.name,
         {.given = "forward returned " + describe(made),
          .needed = "f32 or f64",
          .hint = "what has no derivative is a function, not a CustomOp; y.to(f32)"});
  Tensor out = own_handle(std::move(made));
  std::vector<const Tensor*> in, saved;
  for (const Tensor& x : inputs) in.push_back(&x);
  if (saves == Saves::inputs || saves == Saves::both) saved = in;
  if (saves == Saves::output || saves == Saves::both) saved.push_back(&out);
  Tensor* const to = &out;
  record(operation, in, {&to, 1}, saved, attributes, attribute_bytes);
  return out;
}

namespace {

// In the handler of `error`. Where that says no place of its own, the place of the call.
[[noreturn]] void fail_in(const char* part, const char* name, const Place& place,
                          const Error& error) {
  if (error.operation() == name) throw;
  const std::string text = std::string(part) + ": " + error.what();
  if (error.path().empty() && error.step() < 0)
    fail_at(name, place, {.given = text, .needed = {}, .hint = {}});
  throw Error(name, error.path(), error.step(), "[" + std::string(name) + "] " + text);
}

}  // namespace

void fail_in_forward(const Operation& operation, const Error& error) {
  fail_in("forward", operation.name, current_place(), error);
}

void fail_in_derivative(Backward& b, const Error& error) {
  fail_in("derivative", b.node().operation->name, b.pass().tape().place_of(b.node()), error);
}

void add_custom(Backward& b, std::span<const Tensor> gradients) {
  const char* name = b.node().operation->name;
  const Recording& tape = b.pass().tape();
  for (Index i = 0; i < b.inputs(); ++i) {
    if (!b.needs(i)) continue;
    const Tensor& g = gradients[static_cast<std::size_t>(i)];
    const Shape shape = b.input_shape(i);
    const DType dtype = tape.dtype_of_value(tape.inputs_of(b.node())[i]);
    const std::string of = what(i) + " " + std::string(name_of(dtype)) + " " + to_string(shape);
    if (!g.defined())
      fail(name, {.given = "derivative returned nothing for " + of,
                  .needed = "its gradient, since saved.needs(" + std::to_string(i) + ")",
                  .hint = "zeros_like(x) where nothing flows"});
    if (g.dtype() != dtype)
      fail(name, {.given = "derivative returned " + describe(g) + " for " + of,
                  .needed = std::string(name_of(dtype)),
                  .hint = "g.to(" + std::string(name_of(dtype)) + ")"});
    Shape largest = shape;  // what broadcasting may have made of it
    if (!broadcast(shape, b.output_shape(), largest)) largest = shape;
    if (!stretches(shape, g.shape()) || !stretches(g.shape(), largest))
      fail(name, {.given = "derivative returned " + describe(g) + " for " + of,
                  .needed = to_string(shape) +
                            (largest == shape ? "" : ", or up to " + to_string(largest)),
                  .hint = "dy has the shape of the output; expand(g, saved.input_shape(" +
                          std::to_string(i) + "))"});
    const Tensor* const operand = &g;
    static_cast<void>(is_recording(name, {&operand, 1}));
  }
  for (Index i = 0; i < b.inputs(); ++i)
    if (b.needs(i)) b.add(i, gradients[static_cast<std::size_t>(i)]);
}

}  // namespace detail
}  // namespace unroll
