// Hooks on values of random programs, that look and that replace.
#include <unroll/autograd/leaf.h>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/random_program.h"

namespace unroll::test {
namespace {

Tensor copy_of(const Tensor& x) { return x * 1.0; }

// A program drawn at random and a few of its values that bear one name.
struct Trial {
  RandomProgram program;
  std::vector<std::size_t> hooked;
  std::vector<Tensor> at;

  explicit Trial(std::uint64_t seed) : program(seed, 12), at(program.leaves()) {
    Rng rng(seed + 1000);
    const auto all = program.run(at);
    const auto first = static_cast<Index>(at.size());
    for (int k = 0; k < 4; ++k) {
      const auto value =
          static_cast<std::size_t>(first + rng.below(static_cast<Index>(program.size()) - first));
      Index names = 0;
      for (const Tensor& x : all) names += x.header() == all[value].header() ? 1 : 0;
      if (names == 1 && all[value].dtype() == f64 &&
          std::find(hooked.begin(), hooked.end(), value) == hooked.end())
        hooked.push_back(value);
    }
  }

  struct Run {
    std::vector<Tensor> leaves, all;
  };
  Run run(Tape& tape) const {
    Run r;
    for (const Tensor& x : at) r.leaves.push_back(tape.watch(x));
    r.all = program.run(r.leaves);
    return r;
  }
};

std::vector<Tensor> gradients(Tape& tape, const Tensor& loss, const std::vector<Tensor>& x,
                              bool differentiable) {
  return tape.gradient(loss, x, {.differentiable = differentiable, .unreached = Unreached::zero});
}

void check_close(const std::vector<Tensor>& a, const std::vector<Tensor>& b, double relative) {
  for (std::size_t i = 0; i < a.size(); ++i)
    BOOST_TEST(disagreement(detach(a[i]), detach(b[i]), {.relative = relative}) == "");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hooks_random_programs)

// Looking changes nothing, and shows what gradient() gives.
BOOST_AUTO_TEST_CASE(looking) {
  std::size_t looked = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    for (const bool differentiable : {false, true}) {
      BOOST_TEST_CONTEXT("seed " << seed << (differentiable ? ", recorded" : "")) {
        const Trial t(seed);
        Tape tape;
        const auto [leaves, all] = t.run(tape);
        const Tensor loss = t.program.loss(all);
        const auto plain = gradients(tape, loss, leaves, differentiable);
        std::vector<Tensor> x;
        for (const std::size_t k : t.hooked) x.push_back(all[k]);
        const auto expected = gradients(tape, loss, x, differentiable);
        std::vector<Tensor> seen(x.size()), copies(x.size());
        for (std::size_t i = 0; i < x.size(); ++i)
          tape.on_gradient(x[i], [&, i](const Tensor& g) {
            BOOST_TEST(!seen[i].defined());
            seen[i] = g;
            copies[i] = copy_of(g);
          });
        check_close(gradients(tape, loss, leaves, differentiable), plain, 1e-13);
        for (std::size_t i = 0; i < x.size(); ++i) {
          if (!seen[i].defined()) {
            BOOST_TEST(all_equal(expected[i], zeros_like(expected[i])).ok());
            continue;
          }
          ++looked;
          BOOST_TEST(disagreement(detach(seen[i]), detach(expected[i]), {.relative = 1e-13}) == "");
          BOOST_TEST(all_equal(seen[i], copies[i]).ok());  // nobody wrote to what was kept
        }
      }
    }
  BOOST_TEST(looked > 300);
}

// A gradient G in place of that of v: as if the rest did not depend on v, plus Σ G·v.
BOOST_AUTO_TEST_CASE(replacing) {
  std::size_t replaced = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    for (const bool differentiable : {false, true}) {
      const Trial t(seed);
      if (t.hooked.empty()) continue;
      BOOST_TEST_CONTEXT("seed " << seed << (differentiable ? ", recorded" : "")) {
        const std::size_t k = t.hooked.front();
        Tape tape;
        const auto [leaves, all] = t.run(tape);
        Rng rng(seed);
        Tensor G = random_weights(all[k].shape(), rng);
        const Tensor G_before = copy_of(G);
        const auto without = t.program.run(leaves, {{k, detach(all[k]) - all[k]}});
        const Tensor other = t.program.loss(without) + sum(G * all[k]);
        const auto expected = gradients(tape, other, leaves, false);
        bool called = false;
        tape.on_gradient(all[k], [&](const Tensor&) {
          called = true;
          return G;
        });
        const auto found = gradients(tape, t.program.loss(all), leaves, differentiable);
        if (!called) continue;
        ++replaced;
        for (std::size_t i = 0; i < leaves.size(); ++i)
          BOOST_TEST(disagreement(detach(found[i]), expected[i], {.relative = 1e-8, .scale = 1}) ==
                     "");
        BOOST_TEST(all_equal(G, G_before).ok());
        BOOST_TEST(!G.header()->is(detail::Header::pinned));
      }
    }
  BOOST_TEST(replaced > 80);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
