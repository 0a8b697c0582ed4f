#include "support/rule_verdict.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "support/source_tree.h"

namespace unroll::test {

Verdict verdict_of(const RuleCase& c, const std::string& input, const GradcheckReport& report) {
  Verdict v;
  v.caught = !report.ok();
  if (!v.caught) return v;
  const auto& findings = report.findings();
  const auto& first = findings.front();
  v.text = first.text();
  v.classified = first.cause == c.cause() &&
                 std::all_of(findings.begin(), findings.end(), [&](const GradcheckFinding& f) {
                   return input.empty() || f.input == input;
                 });
  if (!c.index.empty() && first.index != c.index) v.classified = false;
  return v;
}

void MutationTable::Row::add(const Verdict& verdict) {
  ++mistakes;
  caught += verdict.caught ? 1 : 0;
  classified += verdict.classified ? 1 : 0;
}

void MutationTable::add(const RuleCase& c, const Verdict& verdict) {
  rows_[c.kind].add(verdict);
  all_.add(verdict);
}

std::string MutationTable::text() const {
  std::ostringstream out;
  out << "| kind of mistake | mistakes | caught | cause and place right |\n"
         "| --- | --: | --: | --: |\n";
  const auto line = [&out](const std::string& name, const Row& row) {
    out << "| " << name << " | " << row.mistakes << " | " << row.caught << " | " << row.classified
        << " |\n";
  };
  for (const auto& [kind, row] : rows_) line(kind, row);
  line("all", all_);
  return out.str();
}

std::string documented_table(const std::string& document, const std::string& heading) {
  std::ifstream in(source_tree(document));
  std::string line, table;
  bool found = false;
  while (std::getline(in, line)) {
    if (line.starts_with("#")) found = line == heading;
    if (found && line.starts_with("|")) table += line + "\n";
  }
  return table;
}

}  // namespace unroll::test
