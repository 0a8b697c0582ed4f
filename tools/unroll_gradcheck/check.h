#pragma once

#include <array>
#include <string>

#include "row.h"

namespace gradcheck_tool {

// What came of a variant.
struct Result {
  bool ok = false;
  std::array<double, 2> worst = {-1, -1};  // relative error of each order; < 0: not checked
  double seconds = 0;
  std::string text = {};         // where it does not hold: why
  std::string explanation = {};  // the last part of it, which operation is wrong first
};

// Checks a variant on this thread, which may be any. What it throws is a result, too.
Result check(const Row& row, const Variant& variant, int order, std::uint64_t seed);

}  // namespace gradcheck_tool
