#pragma once

#include <unroll/optim/detail/update.h>

namespace unroll::optim::detail {

// What an optimiser does with a parameter at one step.
struct Plan {
  Rule rule = Rule::plain;
  Update update = {};
  bool all_rows = true;  // of a table with a row-sparse gradient
};

// A number for descriptions: "0.001".
std::string number_text(double value);

}  // namespace unroll::optim::detail
