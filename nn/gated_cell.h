#pragma once

#include <unroll/nn/cell.h>
#include <unroll/nn/recurrent_weights.h>

#include <array>
#include <optional>

namespace unroll::nn {

// What the library's cells share: gates that are blocks of columns of x·Wx + h·Wh + b, with none,
// one or two biases.
class GatedCell : public Module {
 public:
  static constexpr bool projects_each_step = true;
  RecurrentWeights begin(Index /*batch*/) const { return {.Wh = Wh}; }
  Tensor project(const Tensor& x, const RecurrentWeights& w) const;

  Parameter Wx;                          // [input, gates · hidden]
  Parameter Wh;                          // [size of h, gates · hidden]
  std::optional<Parameter> b;            // [gates · hidden]
  std::optional<Parameter> b_recurrent;  // [gates · hidden]

 protected:
  struct Sizes {
    const char* kind;
    const char* hint;
    Index input;
    Index hidden;
    Index gates;
    Index biases;
    Index recurrent = 0;  // size of h; 0: hidden
  };
  struct First {
    init::Init input;      // of a gate's block of Wx
    init::Init recurrent;  // of a gate's block of Wh
    init::Init bias = init::zeros();
  };
  GatedCell(const Sizes& sizes, const First& first);

  // x·Wx + bias, which may be undefined.
  Tensor project_input(const Tensor& x, const RecurrentWeights& w, const Tensor& bias) const;
  // Wh in two, where h meets its last block of `hidden` columns on another way than the others.
  std::array<RecurrentWeights, 2> split_last(Index hidden) const;

 private:
  static const Sizes& checked(const Sizes& sizes);
};

}  // namespace unroll::nn
