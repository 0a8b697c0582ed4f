#include <unroll/autograd/detail/record_call.h>
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <array>
#include <mutex>

namespace unroll {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<const Operation*> operations;
};
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

RegisteredOperation::RegisteredOperation(const Operation& operation, const char* source)
    : Operation(operation) {
  file = source;
  detail::list_operation(*this);
}

std::vector<const Operation*> registered_operations() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  auto sorted = r.operations;
  std::sort(sorted.begin(), sorted.end(), [](const Operation* a, const Operation* b) {
    return std::string_view(a->name) < std::string_view(b->name);
  });
  return sorted;
}

namespace detail {

void list_operation(const Operation& operation) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  if (std::find(r.operations.begin(), r.operations.end(), &operation) == r.operations.end())
    r.operations.push_back(&operation);
}

namespace {

void require_all_defined(const char* operation, std::span<const Tensor* const> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i]->defined())
      require_defined(operation, "operand " + std::to_string(i), *inputs[i]);
}

}  // namespace

[[gnu::cold, gnu::noinline]] void show_last(Recording& tape, std::span<const Tensor* const> inputs,
                                            std::span<Header* const> made) {
  std::vector<Header*> operands;
  for (const Tensor* x : inputs) operands.push_back(x->header());
  tape.observer->recorded(tape, operands, made);
}

bool is_recording(const char* operation, std::span<const Tensor* const> inputs) {
  require_all_defined(operation, inputs);
  Recording* tape = tapes.current;
  bool any = false;
  for (const Tensor* x : inputs) {
    if (tape != nullptr)
      any = tape->history(x->header(), operation) != no_value || any;
    else
      check_not_elsewhere(*x->header(), operation);
  }
  return any;
}

void record(const Operation& operation, std::span<const Tensor* const> inputs,
            std::span<Tensor* const> outputs, std::span<const Tensor* const> saved,
            const void* attributes, std::size_t attribute_bytes) {
  require_all_defined(operation.name, inputs);
  Recording* tape = tapes.current;
  if (tape == nullptr) {
    for (const Tensor* x : inputs) check_not_elsewhere(*x->header(), operation.name);
    return;
  }
  constexpr std::size_t few = 16;
  std::array<std::uint32_t, few> few_values;
  std::vector<std::uint32_t> many_values(inputs.size() > few ? inputs.size() : 0);
  std::uint32_t* const values = inputs.size() > few ? many_values.data() : few_values.data();
  std::uint32_t any = no_value;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    any &= values[i] = tape->history(inputs[i]->header(), operation.name);
  if (any == no_value) return;

  std::array<Header*, 256> headers;  // as many as a node can name
  const auto headers_of = [](auto tensors, Header** to) {
    std::transform(tensors.begin(), tensors.end(), to, [](const Tensor* x) { return x->header(); });
    return std::span<Header* const>(to, tensors.size());
  };
  const auto kept = headers_of(saved, headers.data());
  const auto made = headers_of(outputs, headers.data() + saved.size());
  record_call(*tape, operation, inputs, values, kept, attributes, attribute_bytes, made);
}

}  // namespace detail
}  // namespace unroll
