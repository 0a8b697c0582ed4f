// Tapes whose use is interrupted by an allocation that fails, or by a rule that throws.
#include <unroll/autograd/backward.h>
#include <unroll/autograd/operation.h>
#include <unroll/unroll.h>

#include <iostream>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "faults/allocation.h"
#include "support/leaves.h"

namespace unroll::test {
namespace {

// Used by derivative and value of `failing`: the call that throws, from 1; 0: none.
int forward_left = 0;
int backward_left = 0;

void maybe_throw(int& left) {
  if (left > 0 && --left == 0) throw std::runtime_error("failing");
}

const Operation failing_op{.name = "failing", .derivative = [](Backward& b) {
                             maybe_throw(backward_left);
                             if (const Tensor g = b.upstream(); g.defined()) b.add(0, g * 2.0);
                           }};
Tensor failing(const Tensor& x) {
  maybe_throw(forward_left);
  return detail::record(failing_op, {&x}, x * 2.0);
}

struct Model : nn::Module {
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = 4, .size = 3}};
  nn::Child<nn::GRU> gru{*this, "gru", {.input = 3, .hidden = 3, .layers = 2}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 3, .output = 2}};

  // Views, gathered products, rows of a table, sums that share gradients, a stack.
  Tensor loss() const {
    const Tensor y = gru(embed(tensor({{0, 1}, {2, 1}, {0, 0}}))).outputs;
    std::vector<Tensor> steps;
    for (Index t = 0; t < 3; ++t)
      steps.push_back(affine(select(y, 0, t), head.W, *head.b) + select(head(y), 0, t));
    return mean(square(stack(steps, 0)));
  }
};

bool equal(const Gradients& a, const Gradients& b) {
  if (a.size() != b.size()) return false;
  for (auto i = a.begin(), j = b.begin(); i != a.end(); ++i, ++j)
    if (i->path != j->path || !all_equal(a[i->parameter], b[i->parameter])) return false;
  return true;
}

Gradients undisturbed(const Model& model) {
  Tape tape;
  return tape.backward(model.loss());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tapes)

// An operation that throws has recorded nothing and changed nothing, and the tape goes on.
BOOST_AUTO_TEST_CASE(one_operation) {
  const Tensor p = make_parameter(uniform({3, 4}, 0.5, 1), "p");
  const Tensor q = make_parameter(uniform({4, 4}, 0.5, 1), "q");
  using Call = std::function<Tensor(const Tensor&)>;
  const std::vector<Call> calls{
      [](const Tensor& x) { return tanh(x); },
      [&](const Tensor& x) { return matmul(x, q); },
      [](const Tensor& x) { return select(x, 0, 1); },
      [](const Tensor& x) { return sum(x, 1); },
      [](const Tensor& x) { return softmax(x, -1); },
      [](const Tensor& x) { return stack(std::vector<Tensor>(40, x), 0); },
  };
  for (const Call& call : calls) {
    Gradients expected;
    {
      Tape tape;
      const Tensor x = tape.watch(ones({3, 4})) * p;
      expected = tape.backward(sum(call(x)) + sum(x));
    }
    Tape tape;
    const Tensor x = tape.watch(ones({3, 4})) * p;
    const Index nodes = tape.nodes();
    const Index values = std::ssize(tape.snapshot().values);
    Tensor y;
    const long failures = at_every_allocation([&] { y = call(x); },
                                              [&](long) {
                                                BOOST_TEST(tape.nodes() == nodes);
                                                BOOST_TEST(!y.defined());
                                              });
    BOOST_TEST(failures > 0);
    BOOST_TEST(tape.nodes() == nodes + 1);
    BOOST_TEST(std::ssize(tape.snapshot().values) >= values + 1);
    BOOST_TEST(equal(tape.backward(sum(y) + sum(x)), expected));
  }
}

BOOST_AUTO_TEST_CASE(watching) {
  const Tensor x = ones({3});
  Tape tape;
  Tensor w;
  at_every_allocation([&] { w = tape.watch(x); },
                      [&](long) { BOOST_TEST(tape.snapshot().values.empty()); });
  BOOST_TEST(tape.gradient(sum(w * w), w).span<float>()[0] == 2.0F);
}

BOOST_AUTO_TEST_CASE(many_leaves) {
  std::vector<Tensor> parameters;
  for (int i = 0; i < 100; ++i)
    parameters.push_back(make_parameter(ones({2}), "p" + std::to_string(i)));
  const Index live = memory_stats().live_bytes;
  at_every_allocation(
      [&] {
        Tape tape;
        Tensor loss = zeros({});
        for (const Tensor& p : parameters) loss = loss + sum(p * p);
        BOOST_REQUIRE(tape.backward(loss).size() == 100);
      },
      [&](long) { BOOST_TEST(memory_stats().live_bytes == live); });
}

BOOST_AUTO_TEST_CASE(opening) {
  const Index live = memory_stats().live_bytes;
  at_every_allocation([] { const Tape outer, inner, innermost; },
                      [&](long) {
                        BOOST_TEST(memory_stats().live_bytes == live);
                        BOOST_TEST(!is_training());  // no tape was left behind
                      });
}

// Closed without .retain; with it, open and as before.
BOOST_AUTO_TEST_CASE(backward) {
  seed(2);
  const Model model;
  const Gradients expected = undisturbed(model);
  for (const bool retain : {false, true}) {
    const Index live = memory_stats().live_bytes;
    int closed = 0;
    for (long k = 1;; ++k) {
      bool threw = false;
      {
        Tape tape;
        const Tensor loss = model.loss();
        {
          const FailingAllocation armed(k);
          try {
            static_cast<void>(tape.backward(loss, {.retain = retain}));
          } catch (const std::bad_alloc&) {
            threw = true;
          }
        }
        // What fails before the pass begins leaves it open, too.
        if (retain || !threw) BOOST_TEST(tape.is_open() == retain);
        closed += threw && !tape.is_open() ? 1 : 0;
        if (tape.is_open()) BOOST_TEST(equal(tape.backward(loss), expected));
      }
      BOOST_TEST(memory_stats().live_bytes == live);
      if (!threw) break;
    }
    BOOST_TEST((closed > 50) == !retain);
    BOOST_TEST(equal(undisturbed(model), expected));
  }
}

// What graphs ask for: statistics, timings, norms, marks of states, and the snapshot itself.
BOOST_AUTO_TEST_CASE(measured) {
  seed(2);
  const Model model;
  const Gradients expected = undisturbed(model);
  const auto norms = [](const Tape& tape) {
    std::vector<double> all;
    for (const graph::Value& v : tape.snapshot().values)
      all.push_back(v.gradient_norm.value_or(-1));
    return all;
  };
  std::vector<double> expected_norms;
  {
    Tape tape;
    static_cast<void>(tape.backward(model.loss(), {.keep_norms = true}));
    expected_norms = norms(tape);
  }
  const Index live = memory_stats().live_bytes;
  Gradients grads;
  std::vector<double> found;
  at_every_allocation(
      [&] {
        Tape tape({.statistics = true, .timings = true});
        const Tensor loss = model.loss();
        grads = tape.backward(loss, {.keep_norms = true});
        found = norms(tape);
      },
      [&](long) {
        grads = {};
        BOOST_TEST(memory_stats().live_bytes == live);
      });
  BOOST_TEST(equal(grads, expected));
  BOOST_TEST(found == expected_norms);
  grads = {};
  Tape tape({.statistics = true, .timings = true});
  const Tensor loss = model.loss();
  const std::string before = graph::to_json(tape.snapshot());
  std::string after;
  at_every_allocation([&] { after = graph::to_json(tape.snapshot()); },
                      [&](long) { BOOST_TEST(after.empty()); });
  BOOST_TEST(after == before);
  at_every_allocation([&] { grads = tape.backward(loss, {.retain = true, .keep_norms = true}); },
                      [&](long) {
                        BOOST_TEST(tape.is_open());
                        for (const double n : norms(tape))
                          BOOST_TEST(n == -1);  // all of them or none
                      });
  BOOST_TEST(equal(grads, expected));
  BOOST_TEST(norms(tape) == expected_norms);
}

// Products that wait mark what they still have to read, and the mark goes with them.
BOOST_AUTO_TEST_CASE(what_is_given_is_left_as_it_was) {
  const Tensor W = make_parameter(uniform({3, 3}, -1, 1), "W");
  const Tensor upstream = ones({2, 3});
  Tape tape;
  const Tensor y = matmul(full({2, 3}, 3), W);
  static_cast<void>(matmul(y, W));  // used often
  Gradients grads;
  at_every_allocation([&] { grads = tape.backward(y, {.upstream = upstream, .retain = true}); },
                      [&](long) { BOOST_TEST(!upstream.header()->is(detail::Header::pinned)); });
  BOOST_TEST(all_equal(grads[W], full({3, 3}, 6)));
}

BOOST_AUTO_TEST_CASE(recorded_gradient) {
  seed(2);
  const Model model;
  const auto penalty = [&](Tape& tape, const Tensor& loss, const Tensor& w) {
    const Tensor g = tape.gradient(loss, w, {.differentiable = true});
    return sum(g * g);
  };
  Gradients expected;
  {
    Tape tape;
    const Tensor loss = model.loss();
    expected = tape.backward(penalty(tape, loss, model.head.W));
  }
  const Index live = memory_stats().live_bytes;
  {
    Tape tape;
    const Tensor loss = model.loss();
    const Index nodes = tape.nodes();
    Tensor g;
    at_every_allocation([&] { g = penalty(tape, loss, model.head.W); },
                        [&](long) {
                          // The penalty itself may be recorded by then, its gradient only whole.
                          BOOST_TEST(!g.defined());
                          if (tape.nodes() == nodes) return;
                          BOOST_TEST(tape.nodes() > nodes + 10);
                        });
    BOOST_TEST(equal(tape.backward(g), expected));
  }
  BOOST_TEST(memory_stats().live_bytes == live);
}

BOOST_AUTO_TEST_CASE(gradients_are_added_wholly_or_not) {
  seed(2);
  const Model model;
  const Gradients one = undisturbed(model);
  Gradients sum = one, scaled = one;
  at_every_allocation([&] { sum += one; }, [&](long) { BOOST_TEST(equal(sum, one)); });
  at_every_allocation([&] { scaled *= 2; }, [&](long) { BOOST_TEST(equal(scaled, one)); });
  BOOST_TEST(equal(sum, scaled));
}

BOOST_AUTO_TEST_CASE(a_model_is_made_wholly_or_not) {
  const Index live = memory_stats().live_bytes;
  at_every_allocation([] { const Model model; },
                      [&](long) { BOOST_TEST(memory_stats().live_bytes == live); });
}

// The same with nothing to use again: a process of its own for each, and in it a thread, whose pool
// and tapes have no room yet.
BOOST_AUTO_TEST_CASE(a_fresh_thread) {
  const auto program = [](long k, bool& failed) {
    std::vector<Tensor> parameters;
    for (int i = 0; i < 20; ++i) parameters.push_back(make_parameter(ones({3, 3}), "p"));
    const Index live = memory_stats().live_bytes;
    bool consistent = true;
    {
      const FailingAllocation armed(k);
      try {
        std::vector<Tensor> many;
        for (int i = 0; i < 40; ++i) many.push_back(ones({3, 3}));
        Tape tape;
        Tensor y = parameters[0];
        Index recorded = 0;
        try {
          for (std::size_t i = 0; i < many.size(); ++i) {
            for (const auto& next :
                 {std::function([&] { y = y * many[i]; }), std::function([&] { y = tanh(y); }),
                  std::function([&] { y = y + parameters[i % parameters.size()]; })}) {
              next();
              ++recorded;
            }
          }
        } catch (const std::bad_alloc&) {
          consistent = tape.nodes() == recorded;
          for (const graph::Value& v : tape.snapshot().values)  // leaves that are there have a name
            consistent = consistent && (v.node >= 0 || v.name == "p");
          throw;
        }
        many.clear();
        static_cast<void>(tape.backward(sum(y)));
      } catch (const std::bad_alloc&) {
        // Expected: what counts is what it leaves behind.
      }
      failed = FailingAllocation::has_failed();
    }
    return consistent && memory_stats().live_bytes == live;
  };
  std::cout.flush();
  long k = 1;
  for (; k < 5000; ++k) {
    const pid_t child = ::fork();
    if (child == 0) {
      bool failed = false, good = false;
      std::thread([&] { good = program(k, failed); }).join();
      ::_exit(!good ? 3 : failed ? 1 : 0);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST_CONTEXT("allocation " << k) {
      BOOST_REQUIRE(WIFEXITED(status));
      BOOST_REQUIRE(WEXITSTATUS(status) <= 1);
    }
    if (WEXITSTATUS(status) == 0) break;
  }
  BOOST_TEST(k > 100);
}

// A user's operation throws, at its first, second, … call.
BOOST_AUTO_TEST_CASE(a_rule_that_throws) {
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "p");
  const Index live = memory_stats().live_bytes;
  const auto program = [&](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 4; ++i) y = failing(y) * p;
    return sum(y);
  };
  Tensor expected;
  {
    Tape tape;
    expected = tape.backward(program(p))[p];
  }
  for (const bool retain : {false, true})
    for (int call = 1; call <= 4; ++call) {
      Tape tape;
      forward_left = call;
      BOOST_CHECK_THROW(static_cast<void>(program(p)), std::runtime_error);
      const Tensor loss = program(p);
      const Index nodes = tape.nodes();
      if (retain) {
        backward_left = call;
        BOOST_CHECK_THROW(static_cast<void>(tape.gradient(loss, p, {.differentiable = true})),
                          std::runtime_error);
        BOOST_TEST(tape.nodes() == nodes);
        BOOST_TEST(all_equal(tape.gradient(loss, p), expected));
      }
      backward_left = call;
      BOOST_CHECK_THROW(static_cast<void>(tape.backward(loss, {.retain = retain})),
                        std::runtime_error);
      BOOST_TEST(tape.is_open() == retain);
      if (retain) BOOST_TEST(all_equal(tape.backward(loss)[p], expected));
      BOOST_TEST(all_equal(p, tensor({1.0, 2.0})));
    }
  expected = {};
  BOOST_TEST(memory_stats().live_bytes == live);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
