#pragma once

#include <unroll/autograd/rng.h>
#include <unroll/autograd/tape.h>
#include <unroll/autograd/tensor.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// What a gradient check perturbs: an input in f64, dense, without history, or a parameter, which is
// changed in place and restored. Inputs in i64 are ids: they are given to f and to nothing else.
struct CheckedInput {
  std::string name;  // "input 0", "encoder.lstm.0.forward.Wh", "state.forward[0].h"
  Tensor value;
  bool is_parameter = false;
};

// A function whose derivatives are checked or explained.
struct CheckedFunction {
  const char* operation = "gradcheck";  // who is asked, as errors name it
  std::vector<CheckedInput> inputs = {};
  // What f computes, as defined tensors in order, given the inputs that are not parameters, i64
  // among them, in order. A differentiation gives handles that a tape watches, an evaluation gives
  // copies; either happens under an EvaluationTape.
  std::function<std::vector<Tensor>(std::span<const Tensor>)> f = {};
  bool is_of_model = false;  // parameters belong to it, or would if they were not frozen
  bool any_frozen = false;
  bool training = false;
  std::uint64_t seed = 1;
};

// default_rng() starts at the same state until the end of the block, and is left as it was: what f
// draws itself is fixed, too.
class FixedRandom {
 public:
  explicit FixedRandom(std::uint64_t key) : before_(default_rng()) { default_rng() = Rng(key); }
  ~FixedRandom() { default_rng() = before_; }
  FixedRandom(const FixedRandom&) = delete;
  FixedRandom& operator=(const FixedRandom&) = delete;

 private:
  Rng before_;
};

// What every evaluation of one check runs under: one fixed key, so that masks are the same.
class EvaluationTape {
 public:
  explicit EvaluationTape(const CheckedFunction& checked)
      : key_(checked.seed),
        random_(checked.seed),
        tape_({.training = checked.training, .rng = &key_}) {}
  Tape& operator*() { return tape_; }
  Tape* operator->() { return &tape_; }

 private:
  Rng key_;
  FixedRandom random_;
  Tape tape_;
};

// Holds the elements and versions of all parameters and puts both back on every way out: values are
// then as they were to the bit, so a tape of the caller's that has read them stays valid. In
// between, changed() must follow every change of an element.
class KeptParameters {
 public:
  explicit KeptParameters(std::span<const CheckedInput> inputs);
  ~KeptParameters();
  KeptParameters(const KeptParameters&) = delete;
  KeptParameters& operator=(const KeptParameters&) = delete;

  void changed(const Tensor& parameter);
  // Throws where somebody else changed one, as an f does that steps an optimiser.
  void check_unchanged(std::string_view operation) const;

 private:
  struct Kept {
    Tensor parameter;
    std::string name;
    std::vector<double> elements;
    std::uint32_t version;   // at first
    std::uint32_t expected;  // now
  };
  std::vector<Kept> kept_;
};

// Throws "[operation] …" unless the order is 1 or 2 and the allowed difference above 0; `hint` types
// one.
void check_options(const char* operation, int order, double relative, const char* hint);

// Checks what gradcheck and explain are given, converts inputs to f64 and makes them dense and free
// of history; throws "[operation] …" where there are none, one is undefined, or a parameter is f32.
void prepare(CheckedFunction& checked);

}  // namespace unroll::detail
