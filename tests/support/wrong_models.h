#pragma once

#include <unroll/nn/nn.h>

#include <memory>

#include "support/rule_case.h"

// Models with a known mistake inside, and such without.
namespace unroll::test {

struct ModelCase {
  std::string kind;
  std::string name;
  std::shared_ptr<nn::Module> model;  // in f64
  std::function<Tensor()> loss;       // one number
  Shows shows = Shows::gradient;
  GradcheckCause cause = GradcheckCause::wrong_derivative;
  std::string path = {};          // of the only wrong parameter; empty: there are several
  std::vector<Index> index = {};  // in it
  bool training = false;

  bool second_order() const { return shows == Shows::second_order; }
  std::string title() const { return kind + ": " + name; }
  // For tables and verdicts.
  RuleCase as_rule() const;
};
using ModelCases = std::vector<ModelCase>;

// Cells whose step is one made operation, run by nn::Recurrent, and layers with such inside.
ModelCases wrong_models();
ModelCases right_models(std::uint64_t seed);

// As for rules, by differences of the loss in every parameter.
std::string disproof(const ModelCase& c);

// What a made operation is given as parameters "p0", "p1", …; the loss is a weighted sum.
ModelCase as_model(const RuleCase& c, std::uint64_t seed);

}  // namespace unroll::test
