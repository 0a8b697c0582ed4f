#pragma once

#include <string>

#include "run.h"

// What is printed of the outcomes.
namespace gradcheck_tool {

struct Report {
  const std::vector<Row>& rows;
  const std::vector<Outcome>& outcomes;  // of each row
  const RunOptions& options;
  double seconds = 0;

  bool ok() const;
  // A line for each row under a heading for each kind, what is wrong with those that fail, and a
  // line that sums it up.
  std::string table(bool colours) const;
  // The last line of the table.
  std::string summary() const;
  // As --help describes it.
  std::string json() const;
};

// What --help says of it.
extern const char* const json_schema;

}  // namespace gradcheck_tool
