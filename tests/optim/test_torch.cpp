#include <unroll/nn/safetensors.h>

#include <map>
#include <optional>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/source_tree.h"

// Fifty steps of each optimiser against those of PyTorch in double: tests/fixtures/README.md.
namespace unroll::test {
namespace {

struct Case {
  std::string name;
  std::map<std::string, std::string> words;

  bool has(const std::string& word) const { return words.contains(word); }
  double number(const std::string& word, double otherwise) const {
    return has(word) ? std::stod(words.at(word)) : otherwise;
  }
};

std::vector<Case> cases_of(const nn::Safetensors& file) {
  std::vector<Case> cases;
  for (const auto& [key, text] : file.metadata()) {
    if (key.find('/') == std::string::npos) continue;
    Case c{.name = key, .words = {}};
    std::istringstream words(text);
    for (std::string word; words >> word;)
      c.words[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
    cases.push_back(c);
  }
  return cases;
}

template <class Options>
Options adam_options(const Case& c) {
  return {.lr = c.number("lr", 0),
          .beta1 = c.number("beta1", 0),
          .beta2 = c.number("beta2", 0),
          .epsilon = c.number("eps", 0),
          .weight_decay = c.number("weight_decay", 0)};
}

std::unique_ptr<optim::Optimizer> optimizer_of(const Case& c, const ParameterList& parameters) {
  const std::string& kind = c.words.at("optimizer");
  if (kind == "adam")
    return std::make_unique<optim::Adam>(parameters, adam_options<optim::AdamOptions>(c));
  if (kind == "adamw")
    return std::make_unique<optim::AdamW>(parameters, adam_options<optim::AdamWOptions>(c));
  BOOST_REQUIRE_EQUAL(kind, "sgd");
  return std::make_unique<optim::SGD>(
      parameters,
      optim::SGDOptions{.lr = c.number("lr", 0),
                        .momentum = c.number("momentum", 0),
                        .weight_decay = c.number("weight_decay", 0),
                        .nesterov = c.has("nesterov") && c.words.at("nesterov") == "true"});
}

void run(const nn::Safetensors& file, const Case& c, DType dtype, const CloseOptions& close) {
  Model model{{"a", file["initial/a"].to(dtype)}, {"b", file["initial/b"].to(dtype)}};
  const auto optimizer = optimizer_of(c, model.parameters());
  std::optional<optim::Schedule> schedule;
  if (c.has("period"))
    schedule = optim::cosine({.lr = c.number("lr", 0),
                              .steps = static_cast<Index>(c.number("period", 0)),
                              .floor = c.number("final_lr", 0)});
  for (Index step = 0; step < 50; ++step) {
    const double norm = select(file[c.name + "/norm"], 0, step).item();
    const double lr = select(file[c.name + "/lr"], 0, step).item();
    if (schedule.has_value()) optimizer->set_lr(schedule->at(step));
    BOOST_TEST(std::abs(optimizer->lr() - lr) <= 1e-12 * lr);
    optim::StepOptions options;
    // PyTorch divides by norm + 1e-6.
    if (c.has("max_norm") && norm + 1e-6 > c.number("max_norm", 0))
      options.clip_norm = c.number("max_norm", 0) * norm / (norm + 1e-6);
    const auto result = optimizer->step(
        gradients(gradient_of(model[0], select(file["gradient/a"], 0, step).to(dtype)),
                  gradient_of(model[1], select(file["gradient/b"], 0, step).to(dtype))),
        options);
    BOOST_TEST(std::abs(result.norm - norm) <= close.relative * norm);
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor expected = select(file[c.name + (i == 0 ? "/a" : "/b")], 0, step);
      const auto same = all_close(detach(model[i]).to(f64), expected, close);
      BOOST_TEST(same.ok(), c.name << " step " << step << ": " << same);
    }
  }
}

BOOST_AUTO_TEST_SUITE(torch)

BOOST_AUTO_TEST_CASE(fifty_steps_of_every_optimizer) {
  const auto file = nn::Safetensors::open(source_tree("tests/fixtures/optimizers.safetensors"));
  const auto cases = cases_of(file);
  BOOST_TEST(cases.size() == 36U);
  for (const Case& c : cases) {
    run(file, c, f64, {.relative = 1e-11});
    run(file, c, f32, {.relative = 1e-4, .absolute = 1e-4});
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
