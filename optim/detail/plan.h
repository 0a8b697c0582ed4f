#pragma once

#include <unroll/optim/detail/update.h>

#include <cmath>
#include <string>
#include <vector>

namespace unroll::optim::detail {

// What an optimiser does with a parameter at one step.
struct Plan {
  Rule rule = Rule::plain;
  Update update = {};
  bool all_rows = true;  // of a table with a row-sparse gradient
};

// A number for people: "0.001".
std::string number_text(double value);

inline bool is_amount(double value) { return value >= 0 && std::isfinite(value); }

// So that the push_back that follows cannot fail.
template <class T>
void reserve_one_more(std::vector<T>& list) {
  list.reserve(list.size() + 1);
}

}  // namespace unroll::optim::detail
