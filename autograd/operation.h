#pragma once

#include <unroll/autograd/tensor.h>

#include <cstring>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace unroll {

class Backward;
namespace simd {
struct PointwiseTable;
}

// One operand that the gradient check draws: evenly spread over [low, high], away from `avoid`.
struct CheckInput {
  Shape shape = {};
  double low = -2;
  double high = 2;
  std::vector<double> avoid = {};  // kinks: no value comes nearer than 0.05
  bool spaced = false;  // no two values are close, so that the order of elements is clear
  Index ids = 0;        // > 0: whole numbers 0 … ids - 1 in i64, without a gradient
};

// One way to call an operation.
struct CheckCase {
  std::string name = {};
  std::vector<CheckInput> inputs = {};
  std::function<Tensor(std::span<const Tensor>)> call = {};
};

// What the gradient check is told. An operation without cases fails the test that bears its name.
struct Check {
  std::vector<CheckCase> cases = {};
  bool elementwise = false;  // any shapes that broadcast will do: the check makes its own
  bool second_order = true;
  bool trusts_caller = false;  // wrong operands go unnoticed; for what only derivative rules call
};

// How the gradient of an operation's output reaches its inputs.
enum class Flow : std::uint8_t {
  computes,      // through the derivative rule alone
  views,         // the outputs are regions of the input: gradients are written there directly
  passes_third,  // out = … + input 2 of equal shape: both may share one gradient
};

// The record of an operation. Its derivative rule obeys:
//  1. upstream gradients may be undefined (nothing flowed) and inputs may need none: skip both;
//  2. it reads what was saved and its attributes, nothing else;
//  3. it hands gradients to Backward::add, which accumulates and sums over broadcast axes;
//  4. it is written with operations of the library, so that it can be recorded itself; a faster way
//     that writes in place is allowed where !b.differentiable(), and a test proves both equal;
//  5. it neither prints nor aborts.
struct Operation {
  const char* name = "";
  void (*derivative)(Backward& b) = nullptr;
  Flow flow = Flow::computes;
  Check (*check)() = nullptr;
  // For the table in the documentation:
  const char* formula = "";   // of value and derivative, with the derivative at awkward points
  const char* domain = "";    // what x must be, and what comes out elsewhere; empty: every number
  const char* accuracy = "";  // worst error measured against long double; empty: rounded once
  const simd::PointwiseTable* pointwise = nullptr;  // the derivative is compiled from the function
  const Operation* gradient = nullptr;              // a pointwise function's gradient is one, too
  const char* file = "";  // the source that registers it: the family in that table
};

// A record that the registry lists: const RegisteredOperation softmax_op{{.name = "softmax", …}};
class RegisteredOperation : public Operation {
 public:
  explicit RegisteredOperation(const Operation& operation, const char* source = __builtin_FILE());
  RegisteredOperation(const RegisteredOperation&) = delete;
  RegisteredOperation& operator=(const RegisteredOperation&) = delete;
};

// All records, ordered by name.
std::vector<const Operation*> registered_operations();

namespace detail {

// Enters a record that lives for ever into the registry, once.
void list_operation(const Operation& operation);

// Whether a tape would record an operation on these operands. Throws for a history on another tape.
bool is_recording(const char* operation, std::span<const Tensor* const> inputs);

// Records one call, where an input has history on the current tape; `saved` is what the rule may
// read, attributes are any trivially copyable struct.
void record(const Operation& operation, std::span<const Tensor* const> inputs,
            std::span<Tensor* const> outputs, std::span<const Tensor* const> saved,
            const void* attributes, std::size_t attribute_bytes);

using Operands = std::initializer_list<const Tensor*>;

struct NoAttributes {};

template <class Attributes = NoAttributes>
Tensor record(const Operation& operation, Operands inputs, Tensor output, Operands saved = {},
              const Attributes& attributes = {}) {
  static_assert(std::is_trivially_copyable_v<Attributes>);
  Tensor* const out = &output;
  record(operation, {inputs.begin(), inputs.size()}, {&out, 1}, {saved.begin(), saved.size()},
         &attributes, std::is_empty_v<Attributes> ? 0 : sizeof(Attributes));
  return output;
}

}  // namespace detail
}  // namespace unroll
