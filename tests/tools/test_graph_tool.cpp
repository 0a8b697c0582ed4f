// unroll-graph as a program: what it prints and how it ends.
#include <unroll/unroll.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>

#include "programs.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

struct Ended {
  int status = -1;
  std::string out = {};
  std::string err = {};
};

// In a folder with recordings: of a model, the same, a wider one, one with norms, and no recordings.
class Workplace {
 public:
  Workplace() {
    graph::write(folder_ / "model.json", recorded({}));
    graph::write(folder_ / "again.json", recorded({}));
    graph::write(folder_ / "wider.json", recorded({.hidden = 5}));
    graph::write(folder_ / "norms.json", recorded({.norms = true}));
    write_file(folder_ / "bad.json", "{\"format\": \"unroll graph 1\", \"nodes\": [}");
    write_file(folder_ / "other.json", "{\"weights\": [1, 2]}");
  }

  Ended run(const std::string& arguments) const {
    const std::string command =
        "cd '" + folder_.path() + "' && '" + graph_program + "' " + arguments + " > .out 2> .err";
    const int status = std::system(command.c_str());
    return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = read_file(folder_ / ".out"),
            .err = read_file(folder_ / ".err")};
  }
  // What it prints where all is well.
  std::string printed(const std::string& arguments) const {
    const Ended ended = run(arguments);
    BOOST_TEST(ended.status == 0, arguments << ": " << ended.err);
    BOOST_TEST(ended.err == "");
    return ended.out;
  }
  // What it complains of where it ends with 2.
  std::string refused(const std::string& arguments) const {
    const Ended ended = run(arguments);
    BOOST_TEST(ended.status == 2, arguments << ": " << ended.out << ended.err);
    BOOST_TEST(ended.out == "");
    return ended.err;
  }
  std::string file(const std::string& name) const { return read_file(folder_ / name); }
  bool has(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  std::ptrdiff_t files() const { return folder_.files(); }

 private:
  struct Setting {
    Index hidden = 3;
    bool norms = false;
  };
  static graph::Snapshot recorded(const Setting& setting) {
    seed(1);
    const nn::LSTM lstm({.input = 2, .hidden = setting.hidden, .layers = 2});
    const nn::Linear head({.input = setting.hidden, .output = 1});
    const nn::Linear unused({.input = 2, .output = 7});
    Tape tape;
    const Tensor x = tape.watch(ones({6, 2, 2}));
    tape.name(x, "features");
    const Tensor aside = unused(x);
    const Tensor loss = sum(head(lstm(x).outputs));
    tape.name(loss, "loss");
    static_cast<void>(tape.backward(loss, {.keep_norms = setting.norms}));
    return tape.snapshot();
  }

  TemporaryFolder folder_;
};

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Index lines(const std::string& text) { return std::ranges::count(text, '\n'); }

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_tool)

BOOST_AUTO_TEST_CASE(draws_what_the_library_draws) {
  const Workplace work;
  std::istringstream text(work.file("model.json"));
  const graph::Snapshot snapshot = graph::from_json(text);
  const auto dot = [&](const graph::DrawOptions& options) {
    return graph::to_dot(snapshot, options);
  };
  BOOST_TEST((work.printed("model.json") == dot({})));
  BOOST_TEST((work.printed("--fold model.json") == dot({.fold_time = true})));
  BOOST_TEST((work.printed("model.json --window 2") == dot({.window = 2})));
  BOOST_TEST((work.printed("model.json --depth 1") == dot({.depth = 1})));
  BOOST_TEST((work.printed("model.json --budget 20") == dot({.budget = 20})));
  BOOST_TEST((work.printed("model.json --budget 0") == dot({.budget = 0})));
  BOOST_TEST((work.printed("model.json --overlay memory") == dot({.memory = true})));
  BOOST_TEST((work.printed("model.json --dark --title 'A model'") ==
              dot({.theme = graph::Theme::dark, .title = "A model"})));
  BOOST_TEST((work.printed("model.json --backward") == dot({.backward = true})));
  BOOST_TEST((work.printed("model.json --focus features") == dot({.focus = {.name = "features"}})));
  BOOST_TEST((work.printed("model.json --focus loss --ancestors --distance 3") ==
              dot({.focus = {.name = "loss", .descendants = false, .distance = 3}})));
  BOOST_TEST((work.printed("model.json --focus features --descendants --distance 2") ==
              dot({.focus = {.name = "features", .ancestors = false, .distance = 2}})));
  BOOST_TEST(
      (work.printed("norms.json --overlay gradients --fold") != work.printed("norms.json --fold")));
  BOOST_TEST((work.printed("- < model.json") == dot({})));
  BOOST_TEST((work.printed("model.json --format json") == work.file("model.json")));
}

BOOST_AUTO_TEST_CASE(writes_files_in_the_form_of_their_ending) {
  const Workplace work;
  BOOST_TEST(work.printed("model.json -o a.dot") == "");
  BOOST_TEST((work.file("a.dot") == work.printed("model.json")));
  BOOST_TEST(work.printed("model.json --format dot --output a.txt") == "");
  BOOST_TEST((work.file("a.txt") == work.file("a.dot")));
  BOOST_TEST((work.printed("model.json -o /dev/stdout") == work.file("a.dot")));
  BOOST_TEST(work.printed("model.json --stats -o stats.txt") == "");
  BOOST_TEST((work.file("stats.txt") == work.printed("model.json --stats")));
  if (!graph_program_draws) {
    BOOST_TEST(mentions(work.refused("model.json -o a.svg"), "libgraphviz-dev"));
    return;
  }
  const std::ptrdiff_t files = work.files();
  BOOST_TEST(work.printed("model.json -o a.svg") == "");
  BOOST_TEST(mentions(work.file("a.svg"), "<svg"));
  BOOST_TEST((work.printed("model.json --format svg") == work.file("a.svg")));
  BOOST_TEST(work.printed("model.json --format png").starts_with("\x89PNG"));
  BOOST_TEST(work.printed("model.json --format pdf").starts_with("%PDF"));
  BOOST_TEST(mentions(work.printed("model.json --format html"), "<html"));
  BOOST_TEST(work.files() == files + 1);
}

BOOST_AUTO_TEST_CASE(statistics) {
  const Workplace work;
  const std::string text = work.printed("model.json --stats");
  BOOST_TEST(mentions(text, "\n  operation"), text);
  BOOST_TEST(mentions(text, "\n  pointwise"), text);
  BOOST_TEST(mentions(text, "× 6  "), text);
  BOOST_TEST(mentions(text, "0.forward.Wh  "), text);
  BOOST_TEST(mentions(text, "f32 [2, 7]"), text);
  BOOST_TEST(mentions(text, "does not reach it"), text);
  BOOST_TEST(mentions(text, "the loss does not depend on 2 parameters"), text);
  BOOST_TEST(mentions(text, "loss: sum loss f32 []"), text);
  BOOST_TEST(!mentions(text, "norms of gradients"), text);
  BOOST_TEST(mentions(work.printed("norms.json --stats"), "greatest norms of gradients"));
}

BOOST_AUTO_TEST_CASE(gradient_flow) {
  const Workplace work;
  const std::string table = work.printed("norms.json --flow");
  BOOST_TEST(mentions(table, "0.forward.h"), table);
  BOOST_TEST(mentions(table, "1.forward.c"), table);
  BOOST_TEST(lines(table) == 6);
  const std::string csv = work.printed("norms.json --flow --format csv");
  BOOST_TEST(lines(csv) == 1 + 4 * 6);
  BOOST_TEST(csv.starts_with("path,state,layer,direction,call,step,norm\n"));
  BOOST_TEST(work.printed("norms.json --flow -o flow.csv") == "");
  BOOST_TEST(work.file("flow.csv") == csv);
  BOOST_TEST(mentions(work.refused("model.json --flow"), "{.keep_norms = true}"));
}

BOOST_AUTO_TEST_CASE(comparisons) {
  const Workplace work;
  BOOST_TEST(work.printed("model.json --same again.json") == "");
  BOOST_TEST(work.printed("model.json --same again.json --order") == "");
  BOOST_TEST(work.printed("- --same again.json < model.json") == "");
  BOOST_TEST(work.printed("model.json --same - < again.json") == "");
  BOOST_TEST(work.printed("model.json --same wider.json --any-shapes") == "");
  BOOST_TEST(work.printed("model.json --diff again.json") == "no difference\n");
  const Ended same = work.run("model.json --same wider.json");
  BOOST_TEST(same.status == 1);
  BOOST_TEST(mentions(same.out, "has no counterpart"), same.out);
  const Ended diff = work.run("model.json --diff wider.json");
  BOOST_TEST(diff.status == 1);
  BOOST_TEST(diff.out.starts_with("0 added, 0 removed, "), diff.out);
  BOOST_TEST(work.run("model.json --diff wider.json --any-shapes").status == 0);
  const Ended picture = work.run("model.json --diff wider.json --fold -o change.dot");
  BOOST_TEST(picture.status == 1);
  BOOST_TEST(picture.err == "");
  BOOST_TEST(work.file("change.dot").starts_with("digraph"));
  BOOST_TEST(work.run("model.json --diff wider.json --format dot").out.starts_with("digraph"));
}

// Each names what is wrong, and nothing is written.
BOOST_AUTO_TEST_CASE(what_cannot_be_done) {
  const Workplace work;
  const std::ptrdiff_t files = work.files() + 2;  // with what it printed
  for (const auto& [arguments, words] : std::initializer_list<std::pair<const char*, const char*>>{
           {"absent.json -o a.dot", "absent.json"},
           {"bad.json -o a.dot", "bad.json"},
           {"other.json -o a.dot", "other.json"},
           {"- -o a.dot < bad.json", "line 1"},
           {"model.json --diff absent.json", "absent.json"},
           {"model.json --same bad.json", "bad.json"},
           {"model.json --focus featuers -o a.dot", "features"},
           {"model.json --overlay gradients -o a.dot", "keep_norms"},
           {"model.json --overlay time -o a.dot", "timings"},
           {"model.json --overlay colour", "colour"},
           {"model.json --budget many", "many"},
           {"model.json --window 0", "--window"},
           {"model.json -o a.doc", "a.doc"},
           {"model.json -o noending", "noending"},
           {"model.json -o nowhere/a.dot", "nowhere/a.dot"},
           {"model.json --format gif", "gif"},
           {"model.json --format csv", "csv"},
           {"model.json --flow --format svg", "--flow"},
           {"model.json --stats -o a.txt --flow", "--stats and --flow"},
           {"model.json --stats --fold", "--fold"},
           {"model.json --diff again.json --fold", "draws one with -o"},
           {"model.json --ancestors", "--focus"},
           {"model.json --order", "--same"},
           {"model.json --any-shapes", "--diff and --same"},
           {"- --same -", "standard input"},
           {"", "recording"},
           {"model.json again.json", "again.json"},
           {"model.json --what", "--what"}}) {
    const std::string complaint = work.refused(arguments);
    BOOST_TEST(mentions(complaint, words), arguments << ": " << complaint);
    BOOST_TEST(work.files() == files, arguments);
  }
}

BOOST_AUTO_TEST_CASE(an_old_file_stays_where_the_new_one_fails) {
  const Workplace work;
  BOOST_TEST(work.printed("model.json -o a.dot") == "");
  const std::string before = work.file("a.dot");
  work.refused("model.json --focus nothing -o a.dot");
  work.refused("bad.json -o a.dot");
  BOOST_TEST(work.file("a.dot") == before);
}

BOOST_AUTO_TEST_CASE(help) {
  const Workplace work;
  const std::string text = work.printed("--help");
  for (const char* part :
       {"--output",      "--format",   "--title",   "--dark",       "--fold",
        "--window",      "--depth",    "--budget",  "--focus",      "--ancestors",
        "--descendants", "--distance", "--overlay", "--backward",   "--stats",
        "--flow",        "--diff",     "--same",    "--any-names",  "--any-steps",
        "--any-shapes",  "--order",    "Examples:", "Exit status:", "What is drawn:"})
    BOOST_TEST(mentions(text, part), part);
  std::istringstream rows(text);
  for (std::string row; std::getline(rows, row);) BOOST_TEST(row.size() <= 100U, row);
}

BOOST_AUTO_TEST_CASE(readers_that_stop_and_full_disks) {
  const Workplace work;
  // The reader is gone before anything is written.
  const Ended piped = work.run("model.json | true");
  BOOST_TEST(piped.err == "");
  if (std::filesystem::exists("/dev/full"))
    BOOST_TEST(mentions(work.refused("model.json -o /dev/full"), "/dev/full cannot be written"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
