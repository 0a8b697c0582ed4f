// Draws what a model recorded in several ways, finds what a change of it changed, and measures how
// its gradient fades over time. Expected: the refactored cell records the same, the changed one a
// product more in each step, and a gradient that fades by some percent for each step back.
#include <unroll/unroll.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>

#include <CLI/CLI.hpp>

using namespace unroll;

// [cell]
// An Elman cell with a gate on what it keeps, written down once and again.
struct GatedCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  explicit GatedCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.input, options.hidden}, init::xavier()};
  nn::Parameter U{*this, "U", {options.hidden, options.hidden}, init::orthogonal()};

  State step(const Tensor& x, const State& s) const {
    const Tensor recurrent = matmul(s.h, U);
    return {.h = sigmoid(recurrent) * tanh(matmul(x, W) + recurrent)};
  }
};

struct RefactoredCell : GatedCell {
  using GatedCell::GatedCell;
  State step(const Tensor& x, const State& s) const {
    const Tensor from_x = matmul(x, W), from_h = matmul(s.h, U);
    const Tensor candidate = tanh(from_x + from_h);
    return {.h = sigmoid(from_h) * candidate};
  }
};
// [/cell]

struct DampedCell : GatedCell {
  using GatedCell::GatedCell;
  State step(const Tensor& x, const State& s) const { return {.h = GatedCell::step(x, s).h * 0.5}; }
};

struct Model : nn::Module {
  nn::Child<nn::LSTM> lstm{
      *this, "lstm", {.input = 8, .hidden = 16, .layers = 2, .bidirectional = true}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 32, .output = 1}};
  Tensor operator()(const Tensor& x) const { return head(lstm(x).outputs); }
};

template <class Cell>
graph::Snapshot record() {
  seed(1);
  const nn::Recurrent<Cell> layer({.input = 3, .hidden = 4});
  Tape tape;
  static_cast<void>(sum(layer(ones({10, 2, 3})).outputs));
  return tape.snapshot();
}

void draw(const graph::Snapshot& snapshot, const std::function<std::string(const char*)>& picture) {
  // [draw]
  graph::write(picture("model"), snapshot);  // what fits a page
  graph::write(picture("folded"), snapshot, {.fold_time = true, .gradients = true});
  graph::write(picture("first_steps"), snapshot, {.window = 2, .depth = 2});
  graph::write(picture("near_the_loss"), snapshot,
               {.focus = {.name = "loss", .descendants = false, .distance = 4}});
  graph::write(picture("dark"), snapshot,
               {.memory = true, .theme = graph::Theme::dark, .title = "What backward keeps"});
  // [/draw]
}

int main(int argc, char** argv) {
  std::string form = "dot", folder = ".";
  bool quick = false;
  CLI::App app("Draws a model, compares two recordings, measures the flow of a gradient");
  app.add_option("--form", form, "of the pictures: dot; svg, png, pdf and html with unroll::graph")
      ->capture_default_str();
  app.add_option("--folder", folder, "where they are written")->capture_default_str();
  app.add_flag("--quick", quick, "fewer time steps, for tests");
  CLI11_PARSE(app, argc, argv);
  const auto picture = [&](const char* name) { return folder + "/" + name + "." + form; };
  const Index steps = quick ? 40 : 200;

  seed(1);
  const Model model;
  const Tensor inputs = uniform({steps, 4, 8}, -1, 1);
  // [record]
  Tape tape;
  const Tensor x = tape.watch(inputs);
  tape.name(x, "features");
  const Tensor loss = mean(square(select(model(x), 0, -1)));
  tape.name(loss, "loss");
  const Gradients gradients = tape.backward(loss, {.keep_norms = true});
  const graph::Snapshot snapshot = tape.snapshot();  // plain data: outlives tape and model
  graph::write(folder + "/model.json", snapshot);
  // [/record]

  draw(snapshot, picture);

  // [same]
  const auto same = graph::same_structure(record<GatedCell>(), record<RefactoredCell>());
  std::printf("refactored: %s\n", same ? "records the same" : same.text().c_str());
  // [/same]

  // [diff]
  const auto difference = graph::diff(record<GatedCell>(), record<DampedCell>());
  std::ostringstream text;
  text << difference;  // a line for each operation that was added, removed or changed
  graph::write(picture("change"), difference, {.fold_time = true});
  // [/diff]
  std::printf("damped: %s", text.str().substr(0, text.str().find('\n') + 1).c_str());

  // [flow]
  const graph::GradientFlow flow = graph::gradient_flow(tape);
  for (const graph::FlowSeries& series : flow.series)
    if (series.direction == graph::Direction::forward)
      std::printf("%s.%s: the norm at the first step is %.2g, times %.3f for each step back\n",
                  series.path.c_str(), series.state.c_str(), series.norms.front(), series.growth());
  std::ofstream csv(folder + "/flow.csv");
  graph::write_csv(csv, flow);
  // [/flow]

  const bool ok = same.ok() && difference.added == 10 && difference.removed == 0 &&
                  flow.series.size() == 8 &&
                  static_cast<Index>(flow.series[0].norms.size()) == steps &&
                  gradients.size() == static_cast<Index>(model.parameters().size());
  if (!ok) std::printf("not as expected\n");
  return ok ? 0 : 1;
}
