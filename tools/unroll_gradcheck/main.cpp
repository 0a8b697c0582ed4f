// Checks every derivative of the library against differences: operations, cells, layers, losses.
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "filter.h"
#include "report.h"

namespace {

using namespace gradcheck_tool;

struct Flags {
  RunOptions run;
  Filter filter;
  std::string json;
  bool list = false;
  bool quiet = false;
};

constexpr int holds = 0, fails = 1, misused = 2;

// -1 where the program is to go on.
int parse(int argc, char** argv, Flags& flags) {
  CLI::App app(
      "Checks the derivatives of every registered operation, every cell, wrapper, layer and\n"
      "module, and every loss against differences in f64, first and second order.\n"
      "Exit status: 0 if all hold, 1 if not, 2 for wrong usage.\n",
      "unroll-gradcheck");
  app.add_option("--filter", flags.filter.rows,
                 "rows to check, by name or kind/name: a glob ('*lstm*',\n"
                 "'cell/*') or a /regular expression/; several add up")
      ->type_name("PATTERN");
  app.add_option("--variant", flags.filter.variants, "variants of these rows, likewise")
      ->type_name("PATTERN");
  app.add_option("--order", flags.run.order, "1: gradients; 2: gradients of gradients, too")
      ->check(CLI::IsMember({1, 2}).description(""))
      ->type_name("1|2")
      ->capture_default_str();
  app.add_option("--jobs", flags.run.jobs, "threads; errors found are the same on any number")
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--seed", flags.run.seed, "of operands, weights and parameters")
      ->type_name("N")
      ->capture_default_str();
  auto* json = app.add_option("--json", flags.json,
                              "JSON into FILE beside the table; without FILE, on standard\n"
                              "output instead of the table")
                   ->expected(0, 1)
                   ->type_name("[FILE]");
  app.add_flag("--list", flags.list, "name the rows and how many variants each has");
  app.add_flag("--quiet", flags.quiet, "show no progress");
  app.footer(json_schema);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? holds : misused;
  }
  if (json->count() > 0 && flags.json.empty()) flags.json = "-";
  return -1;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.flush();
  if (!file) throw std::invalid_argument("--json: " + path + " cannot be written");
}

int run_program(const Flags& flags) {
  const std::vector<Row> rows = filtered(all_rows(flags.run.seed), flags.filter);
  if (flags.list) {
    for (const Row& row : rows)
      std::printf("%-48s %5zu\n", row.full_name().c_str(), row.variants.size());
    return holds;
  }
  if (!flags.json.empty() && flags.json != "-") write_file(flags.json, "");  // now, not afterwards
  Progress progress(flags.quiet);
  const std::vector<Outcome> outcomes = run(rows, flags.run, progress);
  const Report report{rows, outcomes, flags.run, progress.seconds()};
  if (flags.json == "-") {
    std::fputs(report.json().c_str(), stdout);
    return report.ok() ? holds : fails;
  }
  if (!flags.json.empty()) write_file(flags.json, report.json());
  const bool colours = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  std::fputs(report.table(colours).c_str(), stdout);
  return report.ok() ? holds : fails;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  flags.run.jobs = std::max<Index>(1, unroll::threads());
  if (const int status = parse(argc, argv, flags); status >= 0) return status;
  try {
    return run_program(flags);
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "unroll-gradcheck: %s\n", e.what());
    return misused;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "unroll-gradcheck: %s\n", e.what());
    return fails;
  }
}
