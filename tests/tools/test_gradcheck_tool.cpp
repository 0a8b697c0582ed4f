// unroll-gradcheck as a program: what it prints and how it ends.
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <utility>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "programs.h"
#include "support/source_tree.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

using nlohmann::json;

struct Ended {
  int status = -1;
  std::string out = {};
  std::string err = {};
};

Ended run(const std::string& arguments, const char* program = gradcheck_program) {
  const TemporaryFolder folder;
  const std::string command = std::string("'") + program + "' " + arguments + " > '" +
                              folder / "out" + "' 2> '" + folder / "err" + "'";
  const int status = std::system(command.c_str());
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .out = read_file(folder / "out"),
          .err = read_file(folder / "err")};
}

json run_json(const std::string& arguments, int status = 0,
              const char* program = gradcheck_program) {
  const Ended ended = run("--json --quiet " + arguments, program);
  BOOST_TEST(ended.status == status, ended.out << ended.err);
  BOOST_TEST(ended.err == "");
  return json::parse(ended.out);
}

json row_named(const json& document, const std::string& name) {
  for (const json& row : document["rows"])
    if (row["name"] == name) return row;
  BOOST_FAIL("no row " << name);
  return {};
}

// "kind/name" of every row that --list names.
std::set<std::string> listed() {
  const Ended ended = run("--list");
  BOOST_REQUIRE_EQUAL(ended.status, 0);
  std::set<std::string> names;
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) {
    const auto count = line.rfind(' ') + 1;
    BOOST_TEST(std::stoi(line.substr(count)) > 0, line);
    names.insert(line.substr(0, line.find_last_not_of(' ', count - 1) + 1));
  }
  return names;
}

// First groups of all matches in the files of a folder whose names end so.
std::set<std::string> found_in(const std::string& path, const std::string& expression) {
  std::set<std::string> found;
  const std::string text = read_file(source_tree(path));
  BOOST_REQUIRE_MESSAGE(!text.empty(), path);
  const std::regex regex(expression);
  for (auto i = std::sregex_iterator(text.begin(), text.end(), regex); i != std::sregex_iterator();
       ++i)
    found.insert((*i)[1]);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_tool)

BOOST_AUTO_TEST_CASE(rows_that_hold) {
  const json all = run_json("--filter tanh matmul cell/GRUCell loss/mse --order 2 --seed 5");
  BOOST_TEST(all["ok"] == true);
  BOOST_TEST(all["order"] == 2);
  BOOST_TEST(all["seed"] == 5);
  BOOST_TEST(all["seconds"] > 0);
  BOOST_REQUIRE_EQUAL(all["rows"].size(), 4U);
  for (const auto& [kind, name, fewest] :
       {std::tuple{"operation", "tanh", 24}, std::tuple{"operation", "matmul", 24},
        std::tuple{"cell", "GRUCell", 20}, std::tuple{"loss", "mse", 20}}) {
    const json row = row_named(all, name);
    BOOST_TEST(row["kind"] == kind);
    BOOST_TEST(row["variants"] >= fewest);
    BOOST_TEST(row["status"] == "ok");
    BOOST_TEST(row["seconds"] > 0);
    BOOST_TEST(row["failures"].empty());
    // Differences never agree to the last bit: an error of 0 would be that of no check at all.
    for (const std::size_t order : {0U, 1U}) {
      BOOST_TEST(row["worst_relative_error"][order] > 0);
      BOOST_TEST(row["worst_relative_error"][order] < 1e-5);
    }
  }
}

BOOST_AUTO_TEST_CASE(first_order_alone) {
  const json row = row_named(run_json("--filter operation/exp --order 1"), "exp");
  BOOST_TEST(row["worst_relative_error"][0] > 0);
  BOOST_TEST(row["worst_relative_error"][1].is_null());
}

BOOST_AUTO_TEST_CASE(errors_do_not_depend_on_threads) {
  const std::string rows = "--filter softmax cell/RNNCell 'module/*' --order 1 --jobs ";
  json one = run_json(rows + "1"), many = run_json(rows + "4");
  BOOST_TEST(one["jobs"] == 1);
  BOOST_TEST(many["jobs"] == 4);
  for (json* document : {&one, &many})
    for (json& row : (*document)["rows"]) row.erase("seconds");
  BOOST_TEST(one["rows"] == many["rows"]);
}

BOOST_AUTO_TEST_CASE(seeds_draw_other_operands) {
  const std::string row = "--filter operation/exp --order 1 --seed ";
  BOOST_TEST(run_json(row + "1")["rows"][0]["worst_relative_error"] !=
             run_json(row + "2")["rows"][0]["worst_relative_error"]);
}

BOOST_AUTO_TEST_CASE(a_wrong_operation_is_named) {
  const Ended ended = run("--filter 'wrong_once' tanh --order 1 --seed 3", wrong_gradcheck_program);
  BOOST_TEST(ended.status == 1);
  BOOST_TEST(std::regex_search(ended.out, std::regex("  wrong_once .* FAIL [1-9]")), ended.out);
  BOOST_TEST(std::regex_search(ended.out, std::regex("  tanh .* ok\n")), ended.out);
  BOOST_TEST(std::regex_search(ended.out, std::regex("\noperation/wrong_once: x.*\n    ")),
             ended.out);
  BOOST_TEST(
      ended.out.find("again: unroll-gradcheck --filter 'operation/wrong_once' --variant '") !=
          std::string::npos,
      ended.out);
  BOOST_TEST(std::regex_search(ended.out, std::regex("\n    fails, too: x.*\n")), ended.out);
  BOOST_TEST(ended.out.find("1 of 2 rows fail: wrong_once\n") != std::string::npos, ended.out);
}

// The line "again: …" of a failure shows the same failure alone.
BOOST_AUTO_TEST_CASE(a_failure_can_be_repeated) {
  const json all = run_json("--filter wrong_once --order 1 --seed 7", 1, wrong_gradcheck_program);
  const json failures = all["rows"][0]["failures"];
  BOOST_REQUIRE_GE(failures.size(), 20U);
  const json failure = failures[failures.size() / 2];
  const json again = run_json("--filter operation/wrong_once --variant '" +
                                  failure["variant"].get<std::string>() + "' --order 1 --seed 7",
                              1, wrong_gradcheck_program);
  BOOST_TEST(again["rows"][0]["variants"] == 1);
  BOOST_TEST(again["rows"][0]["failures"] == json::array({failure}));
}

BOOST_AUTO_TEST_CASE(a_wrong_second_derivative_is_named) {
  const std::string row = "--filter wrong_twice --order ";
  BOOST_TEST(run_json(row + "1", 0, wrong_gradcheck_program)["ok"] == true);
  const json all = run_json(row + "2", 1, wrong_gradcheck_program);
  BOOST_TEST(all["ok"] == false);
  BOOST_TEST(all["rows"][0]["status"] == "fail");
  BOOST_TEST(all["rows"][0]["failures"].size() > 10U);
  BOOST_TEST(all["rows"][0]["failures"][0]["text"] != "");
}

BOOST_AUTO_TEST_CASE(an_operation_without_cases_fails) {
  const json all = run_json("--filter wrong_unchecked wrong_caseless", 1, wrong_gradcheck_program);
  for (const json& row : all["rows"]) {
    BOOST_TEST(row["status"] == "fail");
    BOOST_TEST(row["failures"][0]["text"] ==
               "nothing is checked: the operation has no check row, or one without cases");
  }
}

BOOST_AUTO_TEST_CASE(wrong_usage) {
  const std::pair<const char*, const char*> wrong[] = {
      {"--bad", "--bad"},
      {"--order 3", "--order"},
      {"--jobs 0", "--jobs"},
      {"--seed x", "--seed"},
      {"softmax", "softmax"},
      {"--filter softmaks",
       "--filter 'softmaks' matches nothing; hint: --list names all rows, '*softmaks*' matches"},
      {"--filter softmax --variant nothing", "--variant 'nothing' matches nothing"},
      {"--filter '/(/'", "'/(/' is not a regular expression"},
      {"--filter softmax --json /nowhere/at/all", "/nowhere/at/all cannot be written"},
  };
  for (const auto& [arguments, message] : wrong) {
    const Ended ended = run(arguments);
    BOOST_TEST(ended.status == 2, arguments);
    BOOST_TEST(ended.out == "");
    BOOST_TEST(ended.err.find(message) != std::string::npos, arguments << ": " << ended.err);
  }
}

BOOST_AUTO_TEST_CASE(patterns) {
  const auto names = [](const std::string& filter) {
    std::istringstream out(run("--list --filter " + filter).out);
    std::set<std::string> found;
    for (std::string name, count; out >> name >> count;) found.insert(name);
    return found;
  };
  using Names = std::set<std::string>;
  BOOST_TEST((names("max") == Names{"operation/max"}));
  BOOST_TEST((names("'operation/m?x' 'operation/m?n'") == Names{"operation/max", "operation/min"}));
  BOOST_TEST((names("'*GRU' layer/RNN") == Names{"layer/GRU", "layer/RNN"}));
  BOOST_TEST((names("'/^log.*max$/'") == Names{"operation/log_softmax"}));
  BOOST_TEST((names("'cell/*LSTM*'").size() == 4U));
}

BOOST_AUTO_TEST_CASE(every_operation_has_a_row) {
  const auto names = listed();
  for (const Operation* operation : registered_operations())
    BOOST_TEST(names.count(std::string("operation/") + operation->name) == 1U, operation->name);
}

// A cell or layer that is added to the library is added to the table.
BOOST_AUTO_TEST_CASE(every_class_of_nn_has_a_row) {
  std::string names;
  for (const std::string& name : listed())
    if (!name.starts_with("operation/")) names += name + "\n";
  const std::set<std::string> parts{"GatedCell", "LSTMForm", "GRUForm", "Recurrent",
                                    "Parameter", "Child",    "List",    "LearnedState"};
  std::size_t classes = 0;
  for (const auto& file : std::filesystem::directory_iterator(source_tree("nn"))) {
    if (file.path().extension() != ".h") continue;
    for (const std::string& name : found_in("nn/" + file.path().filename().string(),
                                            "\nclass (\\w+) : public (?!Tensor)\\w+")) {
      if (parts.count(name) > 0) continue;
      ++classes;
      BOOST_TEST(std::regex_search(names, std::regex("\\b" + name + "\\b")), name);
    }
  }
  BOOST_TEST(classes > 20U);
}

BOOST_AUTO_TEST_CASE(every_loss_has_a_row) {
  const auto names = listed();
  for (const char* header : {"losses", "cross_entropy", "cosine"})
    for (const std::string& name :
         found_in("autograd/ops/" + std::string(header) + ".h", "\nTensor (\\w+)\\("))
      if (name != "cosine_similarity")  // an operation, with its own row
        BOOST_TEST(names.count("loss/" + name) == 1U, name);
}

BOOST_AUTO_TEST_CASE(help_describes_flags_and_json) {
  const Ended ended = run("--help");
  BOOST_TEST(ended.status == 0);
  for (const char* flag : {"--filter", "--variant", "--order", "--jobs", "--seed", "--json",
                           "--list", "--quiet", "Exit status"})
    BOOST_TEST(ended.out.find(flag) != std::string::npos, flag);
  const json all = run_json("--filter tanh --order 1");
  for (const json& object : {all, all["rows"][0]})
    for (const auto& [key, value] : object.items())
      BOOST_TEST(ended.out.find('"' + key + '"') != std::string::npos, key);
}

// Plain text where the output is no terminal, of lines that fit into one of 100 columns.
BOOST_AUTO_TEST_CASE(the_table) {
  const TemporaryFolder folder;
  const Ended ended =
      run("--filter 'loss/*' tanh --order 1 --jobs 2 --json '" + folder / "table.json" + "'");
  BOOST_TEST(ended.status == 0, ended.out << ended.err);
  BOOST_TEST(ended.out.find('\x1b') == std::string::npos);
  BOOST_TEST(ended.err.find('\r') == std::string::npos);
  std::istringstream lines(ended.out);
  std::string line, before, last;
  for (; std::getline(lines, line); before = std::exchange(last, line))
    BOOST_TEST(line.size() <= 100U, line);
  const json all = json::parse(read_file(folder / "table.json"));
  Index variants = 0;
  for (const json& row : all["rows"]) {
    variants += row["variants"].get<Index>();
    BOOST_TEST(ended.out.find("  " + row["name"].get<std::string>() + " ") != std::string::npos);
  }
  std::ostringstream summary;
  summary << all["rows"].size() << " rows, " << variants << " variants, ";
  BOOST_TEST(last.starts_with(summary.str()), last);
  BOOST_TEST(last.ends_with("on 2 threads, seed 1: all hold"), last);
  BOOST_TEST(std::regex_match(before, std::regex("worst error, first order \\S+ \\(\\w+\\)")),
             before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
