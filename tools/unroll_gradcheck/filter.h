#pragma once

#include <string>
#include <vector>

#include "row.h"

namespace gradcheck_tool {

// A pattern for names: a glob with * and ? for the whole name, or /a regular expression/ for a part
// of it. Throws std::invalid_argument for an expression that is none.
class Pattern {
 public:
  explicit Pattern(const std::string& text);
  bool matches(const std::string& name) const;

 private:
  std::string glob_;
  std::shared_ptr<const void> regex_;
};

struct Filter {
  std::vector<std::string> rows;      // of "kind/name" or the name alone; none: all
  std::vector<std::string> variants;  // of the names of variants; none: all
};

// The rows, and of them the variants, that match one of the patterns. Throws std::invalid_argument
// for a pattern that nothing matches.
std::vector<Row> filtered(std::vector<Row> rows, const Filter& filter);

}  // namespace gradcheck_tool
