#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/checked_call.h>
#include <unroll/autograd/detail/checked_function.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/error.h>

#include <algorithm>

namespace unroll::detail {

KeptParameters::KeptParameters(std::span<const CheckedInput> inputs) {
  for (const CheckedInput& input : inputs) {
    if (!input.is_parameter) continue;
    const auto elements = input.value.span<double>();
    kept_.push_back({.parameter = input.value,
                     .name = input.name,
                     .elements = {elements.begin(), elements.end()},
                     .version = input.value.header()->block()->version,
                     .expected = input.value.header()->block()->version});
  }
}

KeptParameters::~KeptParameters() {
  for (const Kept& k : kept_) {
    std::copy(k.elements.begin(), k.elements.end(), data<double>(k.parameter));
    k.parameter.header()->block()->version = k.version;
  }
}

void KeptParameters::changed(const Tensor& parameter) {
  for (Kept& k : kept_)
    if (k.parameter.header() == parameter.header())
      k.expected = ++parameter.header()->block()->version;
}

void KeptParameters::check_unchanged(std::string_view operation) const {
  for (const Kept& k : kept_)
    if (k.parameter.header()->block()->version != k.expected)
      fail_nowhere(operation, {.given = "the function changes " + k.name,
                               .needed = "a function that only reads parameters",
                               .hint = "call step and assign outside of it"});
}

void fail_arity(const char* operation, Index given) {
  fail_nowhere(operation,
               {.given = std::to_string(given) + " inputs for a function that cannot be "
                                                 "called with so many tensors",
                .needed = "an input for every argument, at most 8, or one span",
                .hint = std::string(operation) +
                        "([](const Tensor& a, const Tensor& b) { return a * b; }, {x, y})"});
}

void append_parameters(const ParameterList& parameters, CheckedFunction& to) {
  to.is_of_model = true;
  for (const auto& entry : parameters) {
    if (entry.tensor.header()->is(Header::frozen))
      to.any_frozen = true;
    else
      to.inputs.push_back({.name = entry.path, .value = entry.tensor, .is_parameter = true});
  }
}

void check_options(const char* operation, int order, double relative, const char* hint) {
  if (order != 1 && order != 2)
    fail_nowhere(
        operation,
        {.given = "order " + std::to_string(order), .needed = "1 or 2", .hint = "{.order = 2}"});
  if (!(relative > 0))
    fail_nowhere(operation, {.given = "relative " + std::to_string(relative),
                             .needed = "a number above 0",
                             .hint = hint});
}

void prepare(CheckedFunction& checked) {
  const char* const operation = checked.operation;
  bool any = false;
  for (CheckedInput& input : checked.inputs) {
    if (!input.value.defined())
      fail_nowhere(operation, {.given = input.name + " is undefined",
                               .needed = "a tensor",
                               .hint = "uniform({3, 4}, -1, 1)"});
    if (!is_floating(input.value.dtype())) continue;
    any = true;
    if (!input.is_parameter) {
      const Tensor dense = dense_copy(detach(input.value)).to(f64);
      input.value = from(dense.span<double>(), dense.shape());
    } else if (input.value.dtype() != f64) {
      fail_nowhere(operation, {.given = input.name + " " + describe(input.value),
                               .needed = "a model in f64",
                               .hint = "model.to(f64)"});
    }
  }
  if (any) return;
  if (checked.any_frozen)
    fail_nowhere(operation, {.given = "a model of which every parameter is frozen",
                             .needed = "a parameter with a gradient",
                             .hint = "model.unfreeze()"});
  fail_nowhere(operation, {.given = checked.inputs.empty() ? "no inputs"
                                                           : "inputs of which none is f32 or f64",
                           .needed = "a tensor or a parameter with a gradient",
                           .hint = std::string(operation) + "(f, {uniform({3, 4}, -1, 1)})"});
}

}  // namespace unroll::detail
