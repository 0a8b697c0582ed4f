// The program of the documentation: a folded graph with gradients, and a test that a refactor changed
// nothing.
#include <unroll/unroll.h>

#include <boost/test/unit_test.hpp>

#include "support/temporary_folder.h"

namespace {
using namespace unroll;

struct CharModel : nn::Module {
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = 7, .size = 5}};
  nn::Child<nn::LSTM> lstm{*this, "lstm", {.input = 5, .hidden = 6, .layers = 2}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 6, .output = 7}};
  struct Output {
    Tensor logits;
    nn::LSTM::State state;
  };
  Output operator()(const Tensor& ids, const nn::LSTM::State& state) const {
    auto out = lstm(embed(ids), {.initial = state});
    return {.logits = head(out.outputs), .state = out.state};
  }
};

Tensor input() { return ones({12, 2, 5}); }

graph::Snapshot record(const auto& layer) {
  Tape t;
  const Tensor y = sum(layer(input()).outputs);
  return t.snapshot();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_graphs)

BOOST_AUTO_TEST_CASE(a_folded_graph_with_gradients) {
  const test::TemporaryFolder folder;
  const CharModel model;
  const Tensor ids = zeros({30, 2}, i64), targets = zeros({30, 2}, i64);

  Tape tape;
  const Tensor loss = cross_entropy(model(ids, {}).logits, targets);
  tape.name(loss, "loss");
  const auto grads = tape.backward(loss, {.keep_norms = true});
  graph::write(folder / "model.svg", tape.snapshot(), {.fold_time = true, .gradients = true});

  const std::string svg = test::read_file(folder / "model.svg");
  BOOST_TEST(svg.find("× 30") != std::string::npos);
  BOOST_TEST(svg.find("‖gradient‖") != std::string::npos);
  BOOST_TEST(svg.find(">loss<") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_refactor_that_changes_nothing_and_one_that_does) {
  const test::TemporaryFolder folder;
  const nn::LSTM old_layer({.input = 5, .hidden = 6});
  const nn::LSTM same_layer({.input = 5, .hidden = 6});
  const nn::GRU new_layer({.input = 5, .hidden = 6});
  const auto same = graph::same_structure(record(old_layer), record(same_layer));
  BOOST_TEST(same.ok(), same);
  const graph::Snapshot before = record(old_layer), after = record(new_layer);
  BOOST_TEST(!graph::same_structure(before, after).ok());
  graph::write(folder / "change.svg", graph::diff(before, after));
  const std::string svg = test::read_file(folder / "change.svg");
  BOOST_TEST(svg.find("+ added") != std::string::npos);
  BOOST_TEST(svg.find("− removed") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
