// The classic trouble of recurrent networks: the gradient of a loss after the last step with respect
// to the states before it shrinks, or grows, by a factor for each step back in time (Hochreiter
// 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013). A constant input brings
// each cell to rest; there the factor is the largest modulus of an eigenvalue of ∂state'/∂state, and
// the program compares this prediction with what back-propagation gives. An IRNN (Le, Jaitly and
// Hinton 2015) keeps the gradient, an LSTM with a forget bias of 3 much of it; the others lose it.
//
// Leaves in --out: flow.csv, spectrum.csv, and where gnuplot is installed flow.svg, spectrum.svg.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>

#include "plot.h"
#include "spectrum.h"

using namespace unroll;

namespace {

struct Options {
  Index hidden = 64;
  Index steps = 300;
  std::uint64_t seed = 1;
  std::string out = "out/vanishing_gradients";
};

struct Case {
  std::string name = {};
  graph::GradientFlow flow = {};
  std::vector<std::complex<double>> eigenvalues = {};  // of a step's Jacobian
  std::vector<std::complex<double>> recurrent = {};    // of Wh; of gates, the candidate's block
  double first = 0;                                    // ‖∂loss/∂h‖ after the first step
  double measured = 0;                                 // factor of a step back
  double predicted = 0;
  bool steady = false;  // otherwise the state goes round, and one step does not tell
};

// The flow through steps in which the network is at rest.
template <class Layer>
Case study(const std::string& name, const typename Layer::Options& layer_options,
           const Options& o) {
  Rng rng(o.seed);
  seed(o.seed);
  Layer layer(layer_options);
  layer.to(f64);
  const Tensor x = uniform({1, 1, layer_options.input}, 0.1, 0.6, rng).to(f64);
  const auto constant = [&](Index steps) { return expand(x, {steps, 1, layer_options.input}); };
  const auto rest = layer(constant(2000)).state;
  const Tensor weights = normal({1, o.hidden}, 0, 1, rng).to(f64);

  Tape tape;
  const auto out = layer(constant(o.steps), {.initial = rest});
  const Tensor loss = sum(select(out.outputs, 0, -1) * weights);
  static_cast<void>(tape.backward(loss, {.keep_norms = true}));

  Case c{.name = name, .flow = graph::gradient_flow(tape)};
  for (graph::FlowSeries& s : c.flow.series) {
    s.path = name;
    if (s.state != "h") continue;
    c.first = s.norms.front();
    // The part of the way where the slowest direction is all that is left.
    graph::FlowSeries early = s;
    early.norms.resize(s.norms.size() / 2);
    early.steps.resize(early.norms.size());
    c.measured = early.growth();
  }
  const auto eigenvalues_at = [&](const auto& state) {
    return spectrum(step_jacobian(layer.cell(0), select(x, 0, 0), detach(state.forward.front())));
  };
  const Tensor Wh = detach(layer.cell(0).Wh);
  const Index block = Wh.size(1) == o.hidden ? 0 : 2 * o.hidden;  // i, f, g, o and r, z, n
  c.recurrent = spectrum(slice(Wh, {.axis = 1, .from = block, .to = block + o.hidden}));
  c.eigenvalues = eigenvalues_at(rest);
  c.predicted = std::abs(c.eigenvalues.front());
  c.steady = std::abs(c.predicted - std::abs(eigenvalues_at(out.state).front())) < 1e-4;
  return c;
}

std::vector<Case> study_all(const Options& o) {
  const Index input = 8;
  std::vector<Case> all;
  all.push_back(study<nn::RNN>("tanh RNN", {.input = input, .hidden = o.hidden}, o));
  all.push_back(study<nn::RNN>("IRNN",
                               {.input = input,
                                .hidden = o.hidden,
                                .cell = {.nonlinearity = nn::Nonlinearity::relu,
                                         .init = init::xavier(),
                                         .recurrent_init = init::identity()}},
                               o));
  all.push_back(study<nn::GRU>("GRU", {.input = input, .hidden = o.hidden}, o));
  all.push_back(study<nn::LSTM>("LSTM", {.input = input, .hidden = o.hidden}, o));
  all.push_back(study<nn::LSTM>(
      "open LSTM", {.input = input, .hidden = o.hidden, .cell = {.forget_bias = 3}}, o));
  return all;
}

void write_files(const std::vector<Case>& cases, const std::filesystem::path& out) {
  std::filesystem::create_directories(out);
  graph::GradientFlow all;
  std::ofstream eigenvalues(out / "spectrum.csv");
  eigenvalues << "cell,matrix,real,imaginary\n";
  for (const Case& c : cases) {
    all.series.insert(all.series.end(), c.flow.series.begin(), c.flow.series.end());
    const auto rows = [&](const char* matrix, const std::vector<std::complex<double>>& values) {
      for (const std::complex<double> e : values)
        eigenvalues << c.name << ',' << matrix << ',' << e.real() << ',' << e.imag() << '\n';
    };
    rows("step", c.eigenvalues);
    rows("Wh", c.recurrent);
  }
  std::ofstream flow(out / "flow.csv");
  graph::write_csv(flow, all);
}

int run(const Options& o) {
  const std::vector<Case> cases = study_all(o);
  std::printf("%-10s %24s %17s %28s %8s\n", "", "gradient at first step", "factor per step",
              "eigenvalue of ∂state'/∂state", "of Wh");
  bool right = true;
  for (const Case& c : cases) {
    std::printf("%-10s %24.3g %17.4f %28.4f %8.4f%s\n", c.name.c_str(), c.first, c.measured,
                c.predicted, std::abs(c.recurrent.front()),
                c.steady ? "" : "  (does not come to rest)");
    right &= !c.steady || std::abs(c.measured - c.predicted) < 0.01;
  }
  right &= cases[0].first < 1e-3 * cases[1].first && cases[3].first < cases[4].first;
  write_files(cases, o.out);
  const bool drawn = plot("vanishing_gradients", o.out);
  std::printf("\nin %s: flow.csv, spectrum.csv%s\n", o.out.c_str(),
              drawn ? ", flow.svg, spectrum.svg" : "; gnuplot, which is not installed, draws them");
  if (!right) std::fprintf(stderr, "vanishing_gradients: the eigenvalues predict something else\n");
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("How the gradient flows back through time in five recurrent cells.");
  app.add_option("--hidden", o.hidden, "size of the state")
      ->check(CLI::Range(2, 1024))
      ->capture_default_str();
  app.add_option("--steps", o.steps, "time steps")
      ->check(CLI::Range(8, 100000))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of everything random")->capture_default_str();
  app.add_option("--out", o.out, "folder for what comes of it")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vanishing_gradients: %s\n", e.what());
    return 1;
  }
}
