#pragma once

#include <map>
#include <string>

#include "support/rule_case.h"

// What a gradient check made of functions with known mistakes.
namespace unroll::test {

struct Verdict {
  bool caught = false;
  bool classified = false;  // the first finding has the cause, and all lie where the mistake is
  std::string text = {};    // the first finding
};
// The inputs that findings may be in: `input`, where that is not empty. An index is compared where
// the case has one.
Verdict verdict_of(const RuleCase& c, const std::string& input, const GradcheckReport& report);

// Counts by kind of mistake, as a table of the documentation.
class MutationTable {
 public:
  void add(const RuleCase& c, const Verdict& verdict);

  Index mistakes() const { return all_.mistakes; }
  Index caught() const { return all_.caught; }
  Index classified() const { return all_.classified; }
  std::string text() const;

 private:
  struct Row {
    Index mistakes = 0, caught = 0, classified = 0;
    void add(const Verdict& verdict);
  };
  std::map<std::string, Row> rows_;
  Row all_;
};

// The lines of a table in a document of this project that follow a heading.
std::string documented_table(const std::string& document, const std::string& heading);

}  // namespace unroll::test
