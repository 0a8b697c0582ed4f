#pragma once

#include <optional>
#include <vector>

#include "check.h"
#include "progress.h"

namespace gradcheck_tool {

struct Failure {
  std::string variant;
  std::string text;
  std::string explanation;
};

// What came of a row.
struct Outcome {
  Index variants = 0;
  std::array<double, 2> worst = {-1, -1};
  double seconds = 0;  // of all variants together, whatever ran at the same time
  std::vector<Failure> failures = {};

  bool ok() const { return failures.empty(); }
};

struct RunOptions {
  int order = 2;
  Index jobs = 1;
  std::uint64_t seed = 1;
};

// Checks all variants of all rows on `jobs` threads; what comes of them does not depend on their
// number.
std::vector<Outcome> run(const std::vector<Row>& rows, const RunOptions& options,
                         Progress& progress);

}  // namespace gradcheck_tool
