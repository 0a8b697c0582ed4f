// The classifier of the documentation: padding, class weights, groups, accumulation over parts of a
// batch, and a part that is loaded and frozen.
#include <unroll/unroll.h>

#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace {
using namespace unroll;

struct Encoder : nn::Module {
  struct Options {
    Index vocab = 0, size = 8;
  };
  explicit Encoder(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = options.vocab, .size = options.size}};
  nn::Child<nn::LSTM> lstm{*this,
                           "lstm",
                           {.input = options.size,
                            .hidden = options.size,
                            .layers = 2,
                            .bidirectional = true,
                            .dropout = 0.5}};

  Tensor operator()(const Tensor& ids, std::span<const Index> lengths) const {
    const auto out = lstm(embed(ids), {.lengths = lengths});
    return concat({out.state.forward.back().h, out.state.backward.back().h}, -1);
  }
};

struct Classifier : nn::Module {
  struct Options {
    Index vocab = 0, classes = 0;
  };
  explicit Classifier(Options o) : options(o) {}
  const Options options;
  nn::Child<Encoder> encoder{*this, "encoder", {.vocab = options.vocab}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 16, .output = options.classes}};

  Tensor operator()(const Tensor& ids, std::span<const Index> lengths) const {
    return head(encoder(ids, lengths));  // [B, classes]
  }
};

struct Batch {
  Tensor ids;  // [T, B]
  std::vector<Index> lengths;
  Tensor labels;  // [B]
};

// Sequences of which the first word tells the class; a label is missing.
Batch make_batch(Rng& rng, Index rows = 12) {
  const Index steps = 6;
  std::vector<Index> ids(static_cast<std::size_t>(steps * rows), 0), labels;
  Batch batch;
  for (Index b = 0; b < rows; ++b) {
    batch.lengths.push_back(1 + b % steps);
    labels.push_back(static_cast<Index>(rng.uniform() * 5));
    for (Index t = 0; t < batch.lengths.back(); ++t)
      ids[static_cast<std::size_t>(t * rows + b)] =
          t == 0 ? labels.back() : static_cast<Index>(rng.uniform() * 20);
  }
  labels[1] = -100;
  batch.ids = from(std::span<const Index>(ids), {steps, rows});
  batch.labels = from(std::span<const Index>(labels), {rows});
  return batch;
}

std::vector<Batch> split_rows(const Batch& batch, Index parts) {
  std::vector<Batch> all;
  const Index rows = batch.labels.size() / parts;
  for (Index from = 0; from < batch.labels.size(); from += rows)
    all.push_back({.ids = slice(batch.ids, {.axis = 1, .from = from, .to = from + rows}),
                   .lengths = {batch.lengths.begin() + from, batch.lengths.begin() + from + rows},
                   .labels = slice(batch.labels, {.from = from, .to = from + rows})});
  return all;
}

double weight_of_labels(const Tensor& weights, const Tensor& labels) {
  double total = 0;
  for (const Index label : labels.span<Index>())
    if (label >= 0) total += weights.span<float>()[static_cast<std::size_t>(label)];
  return total;
}

// The values as they are now, which no step changes.
Tensor clone_of(const Tensor& x) { return from(x.span<float>(), x.shape()); }

const Tensor& class_weights() {
  static const Tensor weights = tensor({1.0, 1.0, 2.5, 1.0, 4.0});
  return weights;
}

struct Accumulated {
  Gradients grads;
  double loss = 0;
};

Accumulated accumulate(const Classifier& model, const Batch& batch, Index parts) {
  const double scale = 1.0 / weight_of_labels(class_weights(), batch.labels);
  Accumulated all;  // empty: adds like zero
  for (const Batch& part : split_rows(batch, parts)) {
    Tape tape;
    Tensor logits = model(part.ids, part.lengths);
    Tensor loss =
        scale * cross_entropy(logits, part.labels,
                              {.class_weights = class_weights(), .reduction = Reduction::sum});
    all.grads += tape.backward(loss);
    all.loss += loss.item();
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_classifier)

BOOST_AUTO_TEST_CASE(parts_of_a_batch_add_up_to_the_batch) {
  Classifier model({.vocab = 20, .classes = 5});
  model.to(f64);
  model.eval();  // the same network in every part
  Rng rng(1);
  const Batch batch = make_batch(rng);
  const Accumulated parts = accumulate(model, batch, 4);
  Tape tape;
  const Tensor loss = cross_entropy(model(batch.ids, batch.lengths), batch.labels,
                                    {.class_weights = class_weights()});
  BOOST_TEST(std::abs(parts.loss - loss.item()) < 1e-12);
  const Gradients whole = tape.backward(loss);
  BOOST_TEST(whole.size() == parts.grads.size());
  for (const auto& entry : whole)
    BOOST_TEST(all_close(parts.grads[entry.parameter], whole[entry.parameter],
                         {.relative = 1e-9, .absolute = 1e-14}),
               entry.path);
}

BOOST_AUTO_TEST_CASE(a_loaded_and_frozen_part_stays_as_it_is) {
  const test::TemporaryFolder folder;
  const std::string file = folder / "pretrained.safetensors";
  seed(1);
  const Classifier pretrained({.vocab = 20, .classes = 5});
  nn::save(pretrained, file);

  seed(2);
  Classifier model({.vocab = 20, .classes = 5});
  nn::load(model.encoder, file, {.partial = true, .prefix = "encoder."});
  BOOST_TEST(all_equal(model.encoder.embed.W, pretrained.encoder.embed.W));
  BOOST_TEST(!all_equal(model.head.W, pretrained.head.W));
  model.encoder.embed.freeze();
  model.encoder.eval();  // no dropout in this part, ever

  optim::AdamW adam(model.head.parameters(), {.lr = 2e-2, .weight_decay = 0.01});
  BOOST_TEST(!test::error_text([&] { optim::check_covers(model, adam); }).empty());
  adam.add(model.encoder.parameters(), {.lr = 1e-2});
  optim::check_covers(model, adam);
  BOOST_TEST(!test::error_text([&] { adam.add(model.head.parameters()); }).empty());

  Rng rng(3);
  const Tensor before = clone_of(model.encoder.embed.W);
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const Batch batch = make_batch(rng, 24);
    const Accumulated parts = accumulate(model, batch, 4);
    BOOST_TEST(!parts.grads.contains(model.encoder.embed.W));
    adam.step(parts.grads);
    (step == 0 ? first : last) = parts.loss;
  }
  BOOST_TEST(first > 1.2);
  BOOST_TEST(last < first / 2);
  BOOST_TEST(all_equal(model.encoder.embed.W, before));
}

BOOST_AUTO_TEST_CASE(what_the_loss_did_not_reach_is_left_alone) {
  Classifier model({.vocab = 20, .classes = 5});
  optim::AdamW adam(model.parameters(), {.weight_decay = 0.5});
  const Tensor before = clone_of(model.encoder.lstm.cell(0).Wx);
  Tape tape;
  const Gradients grads = tape.backward(sum(model.head(ones({1, 16}))));
  BOOST_TEST(!grads.contains(model.encoder.lstm.cell(0).Wx));
  BOOST_TEST(test::error_text([&] {
               static_cast<void>(grads[model.encoder.embed.W]);
             }).find("encoder.embed.W") != std::string::npos);
  adam.step(grads);
  BOOST_TEST(all_equal(model.encoder.lstm.cell(0).Wx, before));
}

BOOST_AUTO_TEST_CASE(no_decay_on_biases) {
  Classifier model({.vocab = 20, .classes = 5});
  const auto is_bias = [](std::string_view path) { return path.ends_with(".b"); };
  optim::AdamW adam(model.parameters().where([&](std::string_view path) { return !is_bias(path); }),
                    {.weight_decay = 0.01});
  adam.add(model.parameters().where(is_bias), {.weight_decay = 0});
  optim::check_covers(model, adam);
  BOOST_TEST(adam.describe().find("weight_decay") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
