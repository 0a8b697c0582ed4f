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
  // The two last lines of the table: the largest errors and where; whether all hold.
  std::string worst() const;
  std::string summary() const;
  // As --help describes it.
  std::string json() const;
};

// What --help says of it.
extern const char* const json_schema;

}  // namespace gradcheck_tool
