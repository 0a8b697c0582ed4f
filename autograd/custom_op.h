#pragma once

#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/user_code.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/operation.h>
#include <unroll/autograd/tensor.h>

#include <array>
#include <concepts>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace unroll {

// What a derivative rule may read, beside the gradient of the output.
enum class Saves { none, inputs, output, both };

// What the derivative rule of a CustomOp is given beside the gradient of the output: what .saves
// lists, and which gradients are asked for. Touching anything else throws.
class Saved {
 public:
  class Inputs {
   public:
    // Input i as the operation was given it. Throws unless .saves lists inputs.
    Tensor operator[](Index i) const;
    Index size() const { return b_.inputs(); }

   private:
    friend class Saved;
    Inputs(const Backward& b, Saves saves) : b_(b), saves_(saves) {}

    const Backward& b_;
    Saves saves_;
  };

  Saved(const Backward& b, Saves saves) : inputs(b, saves), b_(b), saves_(saves) {}

  const Inputs inputs;
  // What the operation returned. Throws unless .saves lists the output.
  Tensor output() const;
  // Whether the gradient of input i is asked for; where it is not, Tensor{} answers.
  bool needs(Index i) const { return b_.needs(i); }
  Shape input_shape(Index i) const { return b_.input_shape(i); }

 private:
  const Backward& b_;
  Saves saves_;
};

// No numbers beside the tensors.
struct NoNumbers {};

namespace detail {

template <std::size_t>
using TensorOf = Tensor;

// A pointer to a function, made of a lambda that captures nothing.
template <class Result, class... Arguments>
class CustomFunction {
 public:
  using Pointer = Result (*)(Arguments...);

  constexpr CustomFunction() = default;
  template <class F>
  constexpr CustomFunction(F f) {
    static_assert(std::is_empty_v<F> || std::is_pointer_v<F>,
                  "the functions of a CustomOp capture nothing; what they need beside the tensors "
                  "are its numbers, CustomOp<N, Numbers>");
    static_assert(std::is_convertible_v<F, Pointer>,
                  "of a CustomOp<N> .forward takes std::array<Tensor, N> and returns a Tensor, "
                  ".derivative takes (saved, dy) and returns std::array<Tensor, N>, a gradient for "
                  "each input; with numbers both take them last");
    if constexpr (std::is_convertible_v<F, Pointer>) pointer_ = f;
  }
  constexpr Pointer get() const { return pointer_; }

 private:
  Pointer pointer_ = nullptr;
};

template <std::size_t N, class Numbers>
struct CustomFunctions {
  using Forward = CustomFunction<Tensor, const std::array<Tensor, N>&, const Numbers&>;
  using Derivative =
      CustomFunction<std::array<Tensor, N>, const Saved&, const Tensor&, const Numbers&>;
};
template <std::size_t N>
struct CustomFunctions<N, NoNumbers> {
  using Forward = CustomFunction<Tensor, const std::array<Tensor, N>&>;
  using Derivative = CustomFunction<std::array<Tensor, N>, const Saved&, const Tensor&>;
};

// The record of a custom operation, one for each name, rule and check, kept for ever: tapes and
// graphs may outlive the CustomOp.
const Operation& custom_operation(const char* name, void (*rule)(Backward& b), void (*derivative)(),
                                  Check (*check)(), const char* formula);
void register_custom(const Operation& operation, const char* source);

// Throws unless a call has a name, a forward and a derivative.
void check_custom(const char* name, bool has_forward, bool has_derivative);
// Throws for operands that are undefined or belong to another tape.
void check_custom_operands(const Operation& operation, std::span<const Tensor> inputs);
// Records a call whose forward gave `made`, and returns what is its alone.
Tensor record_custom(const Operation& operation, std::span<const Tensor> inputs, Tensor made,
                     Saves saves, const void* attributes, std::size_t attribute_bytes);
// Adds what a rule answered; throws for what does not fit the inputs.
void add_custom(Backward& b, std::span<const Tensor> gradients);
// In a handler: throws what an operation threw that a function of the user's called, in the name of
// theirs.
[[noreturn]] void fail_in_forward(const Operation& operation, const Error& error);
[[noreturn]] void fail_in_derivative(Backward& b, const Error& error);

}  // namespace detail

template <std::size_t N, class Numbers = NoNumbers, class = std::make_index_sequence<N>>
struct CustomOp;

// An operation of one's own: a function of N tensors with a derivative rule written by hand.
//
//   inline constexpr CustomOp<1> log_cosh{
//       .name = "log_cosh",
//       .forward = [](const auto& in) { return abs(in[0]) + softplus(-2.0 * abs(in[0])) - log2; },
//       .derivative = [](const auto& saved, const Tensor& dy) {
//         return std::array{dy * tanh(saved.inputs[0])};
//       },
//       .saves = Saves::inputs,
//   };
//   Tensor y = log_cosh(x);
//
// forward runs unrecorded whatever it calls, and gives one tensor of f32 or f64. It is a function
// of its inputs: random numbers are drawn before and passed in. derivative gets what .saves lists
// and the gradient dy of the output, and answers with the gradient of each input, in its shape or
// one that it broadcasts to, in its dtype; Tensor{} where saved.needs(i) is false, as for whole
// numbers. It is written with operations of the library, so that it is differentiable itself.
//
// Numbers are a trivially copyable struct given to both functions as last argument, fixed when the
// operation is called:
//   struct Scale { double by = 1; };
//   inline constexpr CustomOp<1, Scale> scale_gradient{
//       .name = "scale_gradient",
//       .forward = [](const auto& in, const Scale&) { return in[0]; },
//       .derivative = [](const auto&, const Tensor& dy, const Scale& scale) {
//         return std::array{scale.by * dy};
//       }};
//   Tensor y = scale_gradient(x, {.by = 0.1});
//
// All errors begin with [name], those of operations that its functions call too:
//   [log_cosh] forward: [add] f32 [2] and f32 [3] do not broadcast; …
// The CustomOp itself need not outlive a tape.
template <std::size_t N, class Numbers, std::size_t... I>
struct CustomOp<N, Numbers, std::index_sequence<I...>> {
  static_assert(N > 0 && N < 256, "a CustomOp has 1 to 255 inputs");
  static_assert(std::is_trivially_copyable_v<Numbers>,
                "the numbers of a CustomOp are a trivially copyable struct; tensors are inputs");
  static_assert(alignof(Numbers) <= 8 && sizeof(Numbers) <= 4096,
                "the numbers of a CustomOp are a small struct");

  using Forward = typename detail::CustomFunctions<N, Numbers>::Forward;
  using Derivative = typename detail::CustomFunctions<N, Numbers>::Derivative;

  const char* name = "";
  Forward forward = {};
  Derivative derivative = {};
  Saves saves = Saves::none;
  Check (*check)() = nullptr;  // how the gradient check calls it, see RegisteredCustomOp
  const char* formula = "";    // of value and derivative, for tables of operations

  Tensor operator()(
      const detail::TensorOf<I>&... x) const requires std::default_initializable<Numbers> {
    return call({x...}, Numbers{});
  }
  Tensor operator()(const detail::TensorOf<I>&... x, const Numbers& numbers) const
      requires(!std::is_same_v<Numbers, NoNumbers>) {
    return call({x...}, numbers);
  }

  // The record that tapes hold; it lives for ever.
  const Operation& operation() const {
    detail::check_custom(name, forward.get() != nullptr, derivative.get() != nullptr);
    return detail::custom_operation(name, &rule, reinterpret_cast<void (*)()>(derivative.get()),
                                    check, formula);
  }

 private:
  struct Attributes {
    typename Derivative::Pointer derivative;
    Saves saves;
    Numbers numbers;
  };

  Tensor call(const std::array<Tensor, N>& in, const Numbers& numbers) const {
    const Operation& record = operation();
    detail::check_custom_operands(record, in);
    Tensor made;
    try {
      const detail::RecordingOff off;
      const detail::UserCode user;
      if constexpr (std::is_same_v<Numbers, NoNumbers>)
        made = forward.get()(in);
      else
        made = forward.get()(in, numbers);
    } catch (const Error& error) {
      detail::fail_in_forward(record, error);
    }
    Attributes attributes;
    std::memset(static_cast<void*>(&attributes), 0, sizeof attributes);  // also between the fields
    attributes.derivative = derivative.get();
    attributes.saves = saves;
    attributes.numbers = numbers;
    return detail::record_custom(record, in, std::move(made), saves, &attributes,
                                 sizeof(attributes));
  }

  static void rule(Backward& b) {
    const auto& a = b.attributes<Attributes>();
    const Saved saved(b, a.saves);
    std::array<Tensor, N> gradients;
    try {
      const detail::UserCode user;
      if constexpr (std::is_same_v<Numbers, NoNumbers>)
        gradients = a.derivative(saved, b.upstream());
      else
        gradients = a.derivative(saved, b.upstream(), a.numbers);
    } catch (const Error& error) {
      detail::fail_in_derivative(b, error);
    }
    detail::add_custom(b, gradients);
  }
};

// Lists a CustomOp in the registry, so that whatever checks all records checks it: .check tells how
// to call it.
//   const RegisteredCustomOp registered{log_cosh};
class RegisteredCustomOp {
 public:
  template <std::size_t N, class Numbers, class Inputs>
  explicit RegisteredCustomOp(const CustomOp<N, Numbers, Inputs>& op,
                              const char* source = __builtin_FILE()) {
    detail::register_custom(op.operation(), source);
  }
};

}  // namespace unroll
