#pragma once

#include <map>
#include <string>

#include "support/rule_case.h"

// What a gradient check made of functions with known mistakes.
namespace unroll::test {

// Counts by kind of mistake, as a table of the documentation.
class MutationTable {
 public:
  // Adds a case, which must have been caught. It counts as classified where the first finding has the
  // expected cause, and the index where the case has one, and all findings are in `input`, where that
  // is not empty; else the finding is told.
  void add(const RuleCase& c, const std::string& input, const GradcheckReport& report);
  // All caught, nine tenths with cause and place, and docs/mutations.md says so under `heading`.
  void check(const std::string& heading) const;

  Index mistakes() const { return all_.mistakes; }

 private:
  std::string text() const;

  struct Row {
    Index mistakes = 0, caught = 0, classified = 0;
  };
  std::map<std::string, Row> rows_;
  Row all_;
};

}  // namespace unroll::test
