// Random programs of which a part runs once more: the same bits as without.
#include <unroll/unroll.h>

#include <boost/test/unit_test.hpp>

#include "support/random_program.h"
#include "support/same_bits.h"

namespace unroll::test {
namespace {

using Values = std::vector<Tensor>;

// A random program of which some instructions run in recompute, and some of those in another.
struct Cut {
  Index begin = 0, end = 0, inner_begin = 0, inner_end = 0;
};

Cut draw_cut(const RandomProgram& program, Rng& rng) {
  const Index n = program.instructions();
  Cut cut;
  cut.begin = rng.below(n);
  cut.end = cut.begin + 1 + rng.below(n - cut.begin);
  cut.inner_begin = cut.begin + rng.below(cut.end - cut.begin);
  cut.inner_end = cut.inner_begin + rng.below(cut.end - cut.inner_begin + 1);
  return cut;
}

Values run_cut(const RandomProgram& program, const Values& leaves, const Cut& cut) {
  Values values = program.run_part(leaves, 0, cut.begin);
  values = recompute(
      [&](const Values& given) {
        Values more = program.run_part(given, cut.begin, cut.inner_begin);
        more = recompute(
            [&](const Values& x) { return program.run_part(x, cut.inner_begin, cut.inner_end); },
            more);
        return program.run_part(more, cut.inner_end, cut.end);
      },
      values);
  return program.run_part(values, cut.end, program.instructions());
}

struct Wanted {
  bool recomputed = false;
  bool differentiable = false;
  std::vector<std::size_t> values = {};  // besides the leaves
};

// Gradients of the loss, once or twice, and of the sum of their squares where they are recorded.
Values gradients_of(const RandomProgram& program, const Cut& cut, const Wanted& wanted) {
  Tape tape;
  Values x;
  for (const Tensor& leaf : program.leaves()) x.push_back(tape.watch(leaf));
  const Values all = wanted.recomputed ? run_cut(program, x, cut) : program.run(x);
  const Tensor loss = program.loss(all);
  const std::size_t leaves = x.size();
  for (const std::size_t value : wanted.values) x.push_back(all[value]);
  const GradientOptions options{.differentiable = wanted.differentiable,
                                .unreached = Unreached::zero};
  Values found{detach(loss)};
  Tensor size = full({}, 0, f64);
  for (int pass = 0; pass < 2; ++pass)
    for (const Tensor& g : tape.gradient(loss, x, options)) {
      found.push_back(detach(g));
      if (wanted.differentiable && pass == 0) size = size + sum(square(g));
    }
  if (wanted.differentiable && size.header()->tape != 0) {
    x.resize(leaves);
    for (const Tensor& g : tape.gradient(size, x, {.unreached = Unreached::zero}))
      found.push_back(detach(g));
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recompute_random_programs)

BOOST_AUTO_TEST_CASE(have_the_same_bits) {
  for (std::uint64_t seed_of_program = 1; seed_of_program <= 300; ++seed_of_program) {
    const RandomProgram program(seed_of_program, 30);
    Rng rng = Rng(seed_of_program).split("cut");
    const Cut cut = draw_cut(program, rng);
    Wanted wanted;
    const auto leaves = static_cast<Index>(program.leaves().size());
    for (Index k = rng.below(3); k > 0; --k)
      wanted.values.push_back(static_cast<std::size_t>(
          leaves + rng.below(static_cast<Index>(program.size()) - leaves)));
    for (const bool differentiable : {false, true}) {
      wanted.differentiable = differentiable;
      BOOST_TEST_CONTEXT("program " << seed_of_program << " differentiable " << differentiable
                                    << " from " << cut.begin << " to " << cut.end << "\n"
                                    << program.text()) {
        wanted.recomputed = false;
        const Values expected = gradients_of(program, cut, wanted);
        wanted.recomputed = true;
        check_bits(gradients_of(program, cut, wanted), expected);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
