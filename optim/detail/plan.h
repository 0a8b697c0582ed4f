#pragma once

#include <unroll/optim/detail/update.h>

#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace unroll::optim::detail {

// What an optimiser does with a parameter at one step.
struct Plan {
  Rule rule = Rule::plain;
  Update update = {};
  bool all_rows = true;  // of a table with a row-sparse gradient
  double initial = 0;    // what moments are before the first step
};

// A parameter in errors: "encoder.W f32 [3, 4]".
std::string path_and_type(const Tensor& parameter);
bool is_frozen(const Tensor& parameter);

// A number for people: "0.001".
std::string number_text(double value);

// ", momentum 0.9, weight_decay 0"
std::string option_text(std::initializer_list<std::pair<const char*, double>> options);

inline bool is_amount(double value) { return value >= 0 && std::isfinite(value); }

// Least factor that gradients are multiplied by at once: smaller ones would lose digits in f32.
constexpr double least_factor = 0x1p-100;
Tensor scaled(const Tensor& values, double factor);  // without history

}  // namespace unroll::optim::detail
