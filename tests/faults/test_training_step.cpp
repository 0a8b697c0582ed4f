// A step of training in which any one allocation fails.
#include <unroll/unroll.h>

#include <cstring>

#include "faults/allocation.h"

namespace unroll::test {
namespace {

struct Model : nn::Module {
  struct Options {
    Index vocab = 5, size = 3;
  };
  explicit Model(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = options.vocab, .size = options.size}};
  nn::Child<nn::LSTM> lstm{
      *this, "lstm", {.input = options.size, .hidden = options.size, .layers = 2, .dropout = 0.25}};
  nn::Child<nn::Linear> head{*this, "head", {.input = options.size, .output = options.vocab}};

  Tensor loss() const {
    const Tensor ids = tensor({{0, 1}, {2, 1}, {4, 0}});
    const Tensor targets = tensor({{1, 2}, {1, 0}, {0, 3}});
    return cross_entropy(head(lstm(embed(ids)).outputs), targets);
  }
};

using Bits = std::vector<std::string>;

std::string bits_of(const Tensor& x) {
  const Tensor dense = contiguous(detach(x));
  const auto* p = reinterpret_cast<const char*>(dense.header()->data);
  return {p, static_cast<std::size_t>(dense.size()) * element_bytes(dense.dtype())};
}

Bits bits_of(const Model& model) {
  Bits bits;
  for (const auto& [path, p] : model.parameters()) bits.push_back(path + bits_of(p));
  return bits;
}

template <class Optimizer>
Bits state_bits(const Optimizer& optimizer) {
  Bits bits{std::to_string(optimizer.steps())};
  for (const optim::StateEntry& e : optimizer.state()) bits.push_back(e.name + bits_of(e.tensor));
  return bits;
}

// One step, from a state after `before` others, with the k-th allocation failing for every k: all
// is as it was, or the step is done; and the next try makes what an undisturbed one makes.
template <class Make>
void check_steps(const Make& make, const optim::StepOptions& options) {
  for (const int before : {0, 1}) {
    seed(3);
    Model twin({});
    auto undisturbed = make(twin.parameters());
    for (int i = 0; i <= before; ++i) {
      if (i == before) seed(9);
      Tape tape;
      undisturbed->step(tape.backward(twin.loss()), options);
    }
    const Bits expected_model = bits_of(twin), expected_state = state_bits(*undisturbed);
    long count = 0;
    for (long k = 1;; ++k) {
      seed(3);
      Model model({});
      auto optimizer = make(model.parameters());
      const auto step = [&] {
        Tape tape;
        const Tensor loss = model.loss();
        const Gradients grads = tape.backward(loss);
        optimizer->step(grads, options);
      };
      for (int i = 0; i < before; ++i) step();
      const Bits old_model = bits_of(model), old_state = state_bits(*optimizer);
      const Index live = memory_stats().live_bytes;
      seed(9);
      const auto [failed, threw] = at_allocation(k, step);
      const Index after = memory_stats().live_bytes;
      BOOST_TEST_CONTEXT("allocation " << k << " after " << before << " steps") {
        if (threw) {
          BOOST_TEST(after == live);
          BOOST_TEST((bits_of(model) == old_model));
          BOOST_TEST((state_bits(*optimizer) == old_state));
          seed(9);
          step();
        }
        BOOST_TEST((bits_of(model) == expected_model));
        BOOST_TEST((state_bits(*optimizer) == expected_state));
      }
      if (!failed) break;
      ++count;
    }
    BOOST_TEST(count > 100);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(training_step)

BOOST_AUTO_TEST_CASE(adam) {
  check_steps(
      [](const ParameterList& p) {
        return std::make_unique<optim::Adam>(p, optim::AdamOptions{.lr = 0.1});
      },
      {.clip_norm = 0.01});
}

BOOST_AUTO_TEST_CASE(adamw_with_lazy_rows) {
  check_steps(
      [](const ParameterList& p) {
        return std::make_unique<optim::AdamW>(
            p, optim::AdamWOptions{.lr = 0.1, .sparse = optim::Sparse::lazy});
      },
      {.clip_value = 0.01});
}

BOOST_AUTO_TEST_CASE(sgd_with_momentum) {
  check_steps(
      [](const ParameterList& p) {
        return std::make_unique<optim::SGD>(p, optim::SGDOptions{.lr = 0.1, .momentum = 0.9});
      },
      {});
}

BOOST_AUTO_TEST_CASE(l_bfgs) {
  seed(3);
  Model model({});
  model.eval();
  optim::LBFGS lbfgs(model.parameters(), {.iterations = 3});
  const auto step = [&] {
    return lbfgs.step([&] {
      Tape tape;
      const Tensor loss = model.loss();
      return optim::Evaluation{.loss = loss.item(), .gradients = tape.backward(loss)};
    });
  };
  step();
  const Bits old_model = bits_of(model), old_state = state_bits(lbfgs);
  const Index live = memory_stats().live_bytes;
  const long failures = at_every_allocation([&] { step(); },
                                            [&](long) {
                                              BOOST_TEST(memory_stats().live_bytes == live);
                                              BOOST_TEST((bits_of(model) == old_model));
                                              BOOST_TEST((state_bits(lbfgs) == old_state));
                                            });
  BOOST_TEST(failures > 100);
  BOOST_TEST((bits_of(model) != old_model));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
