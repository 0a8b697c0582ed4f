#include "support/mutation_table.h"

#include <algorithm>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/files.h"
#include "support/source_tree.h"

namespace unroll::test {
namespace {

// The lines of a table in a document of this project that follow a heading.
std::string documented_table(const std::string& document, const std::string& heading) {
  std::istringstream in(read_file(source_tree(document)));
  std::string line, table;
  bool found = false;
  while (std::getline(in, line)) {
    if (line.starts_with("#")) found = line == heading;
    if (found && line.starts_with("|")) table += line + "\n";
  }
  return table;
}

struct Verdict {
  bool caught = false;
  bool classified = false;
  std::string text = {};  // the first finding
};

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

}  // namespace

void MutationTable::add(const RuleCase& c, const std::string& input,
                        const GradcheckReport& report) {
  const Verdict v = verdict_of(c, input, report);
  BOOST_TEST(v.caught, c.title() << " went unnoticed");
  if (!v.classified)
    BOOST_TEST_MESSAGE(c.title() << ": expected " << name_of(c.cause()) << " in " << input
                                 << "; found\n"
                                 << v.text);
  for (Row* row : {&rows_[c.kind], &all_}) {
    ++row->mistakes;
    row->caught += v.caught ? 1 : 0;
    row->classified += v.classified ? 1 : 0;
  }
}

void MutationTable::check(const std::string& heading) const {
  BOOST_TEST(all_.caught == all_.mistakes);
  BOOST_TEST(10 * all_.classified >= 9 * all_.mistakes);
  BOOST_TEST(documented_table("docs/mutations.md", heading) == text(),
             "docs/mutations.md should say\n"
                 << text());
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

}  // namespace unroll::test
