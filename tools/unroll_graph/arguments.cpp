#include <algorithm>
#include <array>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "request.h"

namespace graph_tool {
namespace {

constexpr const char* footer = R"(Examples:
  unroll-graph model.json -o model.svg                  what fits a page; says what it hides
  unroll-graph model.json --fold --overlay gradients -o model.html
  unroll-graph model.json --focus loss --ancestors --distance 4 | dot -Tpng > near.png
  unroll-graph model.json --stats
  unroll-graph model.json --flow --format csv -o flow.csv
  unroll-graph before.json --diff after.json -o change.svg
  unroll-graph before.json --same after.json && echo unchanged

A recording is written by graph::write("model.json", tape.snapshot()).
Exit status: 0; 1 where --diff or --same finds a difference; 2 for what cannot be done.)";

struct Flags {
  bool fold = false, dark = false, ancestors = false, descendants = false;
  bool stats = false, flow = false;
  bool any_names = false, any_steps = false, any_shapes = false;
  std::string overlay, diff, same;
};

std::string ending_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending.empty() ? ending : ending.substr(1);
}

void add_options(CLI::App& app, Request& request, Flags& flags) {
  unroll::graph::DrawOptions& draw = request.draw;
  const CLI::Validator count = CLI::Range(Index{0}, Index{1'000'000'000}).description("");
  const CLI::Validator positive = CLI::Range(Index{1}, Index{1'000'000'000}).description("");
  app.add_option("recording", request.input, "a recording in JSON; -: from standard input")
      ->required()
      ->type_name("FILE");

  const std::string output = "Output";
  app.add_option("-o,--output", request.output,
                 "where to write, in the form that its ending names\n(default: standard output)")
      ->type_name("FILE")
      ->group(output);
  app.add_option("--format", request.format,
                 "dot, json, svg, png, pdf, html; csv for --flow;\n"
                 "text for what is no picture (default: dot)")
      ->check(CLI::IsMember({"dot", "json", "svg", "png", "pdf", "html", "csv", "text"})
                  .description(""))
      ->type_name("FORMAT")
      ->group(output);
  app.add_option("--title", draw.title, "above the picture")->type_name("TEXT")->group(output);
  app.add_flag("--dark", flags.dark, "bright lines on a dark ground")->group(output);

  const std::string shown = "What is drawn";
  app.add_flag("--fold", flags.fold, "one picture of each loop's iteration, with × T")
      ->group(shown);
  app.add_option("--window", draw.window, "so many first steps of each loop, …, and the last")
      ->check(positive)
      ->type_name("N")
      ->group(shown);
  app.add_option("--depth", draw.depth, "modules nested deeper are a box each")
      ->check(count)
      ->type_name("N")
      ->group(shown);
  app.add_option("--budget", draw.budget, "boxes at most; 0: all")
      ->check(count)
      ->type_name("N")
      ->capture_default_str()
      ->group(shown);
  auto* focus = app.add_option("--focus", draw.focus.name,
                               "what is near a tensor, parameter, module or operation")
                    ->type_name("NAME")
                    ->group(shown);
  app.add_flag("--ancestors", flags.ancestors, "of that, what it is computed from")
      ->needs(focus)
      ->group(shown);
  app.add_flag("--descendants", flags.descendants, "of that, what is computed from it")
      ->needs(focus)
      ->group(shown);
  app.add_option("--distance", draw.focus.distance, "so many operations away at most")
      ->check(count)
      ->needs(focus)
      ->type_name("N")
      ->group(shown);
  app.add_option("--overlay", flags.overlay, "colours: gradients, memory or time")
      ->check(CLI::IsMember({"gradient", "gradients", "memory", "time"}).description(""))
      ->type_name("WHAT")
      ->group(shown);
  app.add_flag("--backward", draw.backward, "the backward graph beside the forward one")
      ->group(shown);

  const std::string instead = "Instead of a picture of it";
  app.add_flag("--stats", flags.stats,
               "tables: operations, modules, loops, parameters, memory, norms")
      ->group(instead);
  app.add_flag("--flow", flags.flow, "norms of the gradients of states over time")->group(instead);
  app.add_option("--diff", flags.diff,
                 "what OTHER has more, less and changed: a list, or with\n"
                 "-o or --format a picture")
      ->type_name("OTHER")
      ->group(instead);
  app.add_option("--same", flags.same, "whether OTHER computes the same; says where not")
      ->type_name("OTHER")
      ->group(instead);
  app.add_flag("--any-names", flags.any_names, "these two: modules and parameters may be renamed")
      ->group(instead);
  app.add_flag("--any-steps", flags.any_steps, "… time steps, layers and directions may differ")
      ->group(instead);
  app.add_flag("--any-shapes", flags.any_shapes, "… shapes and dtypes may differ")->group(instead);
  app.add_flag("--order", request.compare.order, "--same: the order of recording counts, too")
      ->group(instead);
}

// The one question that is asked; what does not go together is refused.
void settle(const CLI::App& app, const Flags& flags, Request& request) {
  const std::array<std::pair<Question, const char*>, 4> questions = {{{Question::stats, "--stats"},
                                                                      {Question::flow, "--flow"},
                                                                      {Question::diff, "--diff"},
                                                                      {Question::same, "--same"}}};
  const char* asked = nullptr;
  for (const auto& [question, name] : questions) {
    if (app.count(name) == 0) continue;
    if (asked != nullptr)
      throw Misuse(std::string(asked) + " and " + name + " are two questions; ask one at a time");
    asked = name;
    request.question = question;
  }
  const bool compares = request.question == Question::diff || request.question == Question::same;
  for (const char* name : {"--any-names", "--any-steps", "--any-shapes"})
    if (app.count(name) > 0 && !compares)
      throw Misuse(std::string(name) + " goes with --diff and --same");
  if (request.compare.order && request.question != Question::same)
    throw Misuse("--order goes with --same");
  request.other = request.question == Question::diff ? flags.diff : flags.same;
  if (compares && request.input == "-" && request.other == "-")
    throw Misuse("standard input can be one of the two recordings only");

  if (request.output == "/dev/stdout") request.output.clear();
  std::error_code ignored;
  const bool to_device = std::filesystem::is_character_file(request.output, ignored) ||
                         std::filesystem::is_fifo(request.output, ignored);
  const std::string ending = to_device ? "dot" : ending_of(request.output);
  const bool draws =
      request.question == Question::picture ||
      (request.question == Question::diff && app.count("--format") + app.count("--output") > 0 &&
       request.format != "text" && (!request.format.empty() || ending != "txt"));
  for (const char* name : {"--fold", "--window", "--depth", "--budget", "--focus", "--overlay",
                           "--backward", "--dark", "--title"})
    if (app.count(name) > 0 && !draws)
      throw Misuse(
          std::string(name) + " is about pictures; " + asked +
          (request.question == Question::diff ? " draws one with -o change.svg" : " prints text"));
  if (request.format.empty()) {
    if (draws)
      request.format = request.output.empty() ? "dot" : ending;
    else
      request.format = request.question == Question::flow && ending == "csv" ? "csv" : "text";
  }
  constexpr std::array forms = {"dot", "json", "svg", "png", "pdf", "html", "csv", "text"};
  if (std::ranges::find(forms, request.format) == forms.end())
    throw Misuse(
        "-o " + request.output +
        " is in no form known; needed .svg, .png, .pdf, .html, .dot or .json, or --format");
  const bool is_text = request.format == "text";
  const bool is_table = request.format == "csv" && request.question == Question::flow;
  if (draws ? is_text || request.format == "csv" : !is_text && !is_table)
    throw Misuse("--format " + request.format + " is no form of " +
                 (asked == nullptr ? "a picture" : asked));
}

}  // namespace

int parse(int argc, char** argv, Request& request) {
  CLI::App app(
      "Draws a recording of unroll, measures it, or compares two. What does not fit the\n"
      "budget of boxes is folded and collapsed; the picture says what it hides.\n",
      "unroll-graph");
  Flags flags;
  add_options(app, request, flags);
  app.footer(footer);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? fine : misused;
  }
  settle(app, flags, request);
  unroll::graph::DrawOptions& draw = request.draw;
  if (flags.fold) draw.fold_time = true;
  if (flags.dark) draw.theme = unroll::graph::Theme::dark;
  if (flags.ancestors || flags.descendants) {
    draw.focus.ancestors = flags.ancestors;
    draw.focus.descendants = flags.descendants;
  }
  draw.gradients = flags.overlay.starts_with("gradient");
  draw.memory = flags.overlay == "memory";
  draw.time = flags.overlay == "time";
  request.compare.paths = !flags.any_names;
  request.compare.steps = !flags.any_steps;
  request.compare.shapes = !flags.any_shapes;
  return -1;
}

}  // namespace graph_tool
