// Functions that run once more for their gradient: the same bits, less memory, and what goes wrong.
// On random programs: test_recompute_random_programs.cpp.
#include <unroll/unroll.h>

#include <optional>
#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/same_bits.h"

namespace unroll::test {
namespace {

using Values = std::vector<Tensor>;

Index pool_bytes() { return memory_stats().live_bytes; }

// n times x -> tanh(x · W), x large.
struct Chain {
  Tensor W = make_parameter(uniform({8, 8}, -1, 1), "W");
  Tensor x = uniform({16384, 8}, -1, 1);

  Tensor run(Tensor y, Index n) const {
    for (Index i = 0; i < n; ++i) y = tanh(matmul(y, W));
    return y;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(recompute_function)

BOOST_AUTO_TEST_CASE(backward_frees_the_inner_values_and_makes_them_again) {
  const Chain chain;
  const Index each = 16384 * 8 * 4;
  const auto train = [&](bool recomputed, Index& kept) {
    Tape tape;
    const Index before = pool_bytes();
    const auto f = [&](const Tensor& y) { return chain.run(y, 10); };
    const Tensor y = recomputed ? recompute(f, recompute(f, chain.x)) : f(f(chain.x));
    kept = pool_bytes() - before;
    return tape.backward(sum(square(y)))[chain.W];
  };
  Index plain = 0, less = 0;
  const Tensor expected = train(false, plain);
  BOOST_TEST(all_equal(train(true, less), expected));
  BOOST_TEST(plain > 19 * each);
  BOOST_TEST(less < 4 * each);
}

BOOST_AUTO_TEST_CASE(the_peak_is_of_what_was_there_at_once) {
  constexpr Index much = Index{1} << 22;
  reset_peak_bytes();
  const Index before = pool_bytes();
  for (int i = 0; i < 3; ++i) static_cast<void>(zeros({much / 4}));
  const Index peak = memory_stats().peak_bytes - before;
  BOOST_TEST(peak >= much);
  BOOST_TEST(peak < 2 * much);
  BOOST_TEST(pool_bytes() == before);
  reset_peak_bytes();
  BOOST_TEST(memory_stats().peak_bytes < before + much / 4);
}

BOOST_AUTO_TEST_CASE(dropout_and_default_rng_draw_the_same) {
  const Tensor start = uniform({5, 7}, -1, 1);
  const auto f = [](const Tensor& x) {
    const Tensor noise = normal({5, 7}, 0, 1);
    return dropout(x * noise, 0.4) * dropout(x, 0.3);
  };
  const auto train = [&](bool recomputed) {
    seed(3);
    Tape tape;
    const Tensor x = tape.watch(start);
    const Tensor a = dropout(x, 0.2);
    const Tensor y = recomputed ? recompute(f, a) : f(a);
    const Tensor z = dropout(y * normal({5, 7}, 0, 1), 0.5);
    Values found{detach(z), tape.gradient(sum(z), x)};
    found.push_back(dropout_mask({9}, 0.5, f32));  // neither stream has moved on
    found.push_back(normal({3}, 0, 1));
    return found;
  };
  check_bits(train(true), train(false));
}

BOOST_AUTO_TEST_CASE(states_go_in_and_come_out) {
  struct Two {
    Tensor a;
    std::optional<Tensor> b;
  };
  const Tensor start = uniform({3, 2}, -1, 1);
  Tape tape;
  const Tensor x = tape.watch(start);
  const Tensor constant = uniform({3, 2}, -1, 1);
  const Two out = recompute(
      [](const Two& in, double factor) { return Two{.a = tanh(in.a) * factor, .b = in.a * *in.b}; },
      Two{.a = x, .b = constant}, 3.0);
  const Tensor g = tape.gradient(sum(out.a + *out.b), x);
  const Tensor x2 = tape.watch(start);
  BOOST_TEST(all_equal(g, tape.gradient(sum(tanh(x2) * 3.0 + x2 * constant), x2)));
}

BOOST_AUTO_TEST_CASE(results_that_are_no_new_values) {
  const Tensor constant = uniform({2, 2}, -1, 1);
  Tape tape;
  const Tensor x = tape.watch(uniform({2, 2}, -1, 1));
  const Index before = tape.nodes();
  const Values out = recompute([&](const Tensor& y) { return Values{y, constant, Tensor()}; }, x);
  BOOST_TEST(tape.nodes() == before);
  BOOST_TEST(out[0].header() == x.header());
  BOOST_TEST(out[1].header() == constant.header());
  BOOST_TEST(!out[2].defined());
  const Values twice = recompute(
      [](const Tensor& y) {
        const Tensor z = tanh(y);
        const Tensor unused = exp(z);
        return Values{z, z, y, unused};
      },
      x);
  const Tensor g = tape.gradient(sum(twice[0] * twice[1] * twice[2]), x);
  const Tensor z = tanh(x);
  BOOST_TEST(all_equal(g, tape.gradient(sum(z * z * x), x)));
}

BOOST_AUTO_TEST_CASE(without_a_tape_the_function_just_runs) {
  int calls = 0;
  const auto f = [&](const Tensor& x) {
    ++calls;
    return tanh(x);
  };
  const Tensor x = uniform({3}, -1, 1);
  BOOST_TEST(all_equal(recompute(f, x), tanh(x)));
  BOOST_TEST(calls == 1);
  Tape tape;
  const Tensor y = tape.watch(x);
  {
    const auto off = tape.pause();
    BOOST_TEST(all_equal(recompute(f, y), tanh(x)));
  }
  BOOST_TEST(calls == 2);
  const Tensor kept = recompute(f, y);
  BOOST_TEST(calls == 3);
  static_cast<void>(tape.gradient(sum(y * 2.0), y));  // does not need it
  BOOST_TEST(calls == 3);
  const Tensor g = tape.gradient(sum(kept), y);
  BOOST_TEST(calls == 4);
  BOOST_TEST(all_equal(tape.gradient(sum(kept), y), g));
  BOOST_TEST(calls == 5);
  const Tensor recorded = tape.gradient(sum(kept), y, {.differentiable = true});
  BOOST_TEST(all_equal(recorded, g));
  BOOST_TEST(calls == 6);
  static_cast<void>(tape.gradient(sum(recorded), y));
  BOOST_TEST(calls == 6);
}

BOOST_AUTO_TEST_CASE(retain_and_another_backward) {
  const Chain chain;
  Tape tape;
  const Tensor y = recompute([&](const Tensor& x) { return chain.run(x, 4); }, chain.x);
  const Index before = pool_bytes();
  Gradients first = tape.backward(sum(y), {.retain = true});
  BOOST_TEST(pool_bytes() < before + 16384 * 8 * 4);  // what was made again has gone again
  const Gradients second = tape.backward(sum(y));
  BOOST_TEST(all_equal(first[chain.W], second[chain.W]));
  BOOST_TEST(!tape.is_open());
}

BOOST_AUTO_TEST_CASE(gradient_inside_and_of_values_inside) {
  const Tensor start = uniform({3, 3}, -1, 1);
  const auto penalty = [](Tape& tape, const Tensor& x, bool recomputed, Tensor& inside) {
    const auto f = [&](const Tensor& a) {
      const Tensor y = tanh(a) * a;
      inside = y;
      const Tensor slope = tape.gradient(sum(y * y), a, {.differentiable = true});
      return sum(square(slope)) + sum(y);
    };
    const Tensor b = sin(x);
    return recomputed ? recompute(f, b) : f(b);
  };
  Values found[2];
  for (const bool recomputed : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(start);
    Tensor inside;
    const Tensor loss = penalty(tape, x, recomputed, inside);
    for (const Tensor& g : tape.gradient(loss, {x, inside})) found[recomputed].push_back(g);
  }
  check_bits(found[1], found[0]);
}

// Copies that products make of weights, too, where the weights are made inside.
BOOST_AUTO_TEST_CASE(nothing_of_inner_weights_is_kept) {
  const Tensor W = make_parameter(uniform({256, 256}, -0.1, 0.1), "W");
  Tape tape;
  Tensor x = uniform({8, 256}, -1, 1);
  const auto f = [&](const Tensor& a) {
    const Tensor twice = W * 2.0;
    return tanh(matmul(tanh(matmul(a, twice)), twice));
  };
  x = recompute(f, x);
  const Index before = pool_bytes();
  for (int i = 0; i < 10; ++i) x = recompute(f, x);
  BOOST_TEST(pool_bytes() - before < 400'000);  // an array of the size of W has 262,144
  static_cast<void>(tape.backward(sum(x), {.retain = true}));
  BOOST_TEST(pool_bytes() - before < 400'000);
}

BOOST_AUTO_TEST_CASE(hooks_inside_are_entered_once) {
  const Tensor start = uniform({3, 3}, -1, 1);
  Values found[2];
  for (const bool recomputed : {false, true}) {
    int calls = 0;
    Tape tape;
    const Tensor x = tape.watch(start);
    const auto f = [&](const Tensor& a) {
      const Tensor b = tanh(a);
      tape.on_gradient(b, [&calls](const Tensor& g) {
        ++calls;
        return g * 2.0;
      });
      return exp(b);
    };
    const Tensor y = recomputed ? recompute(f, x) : f(x);
    tape.on_gradient(y, [](const Tensor& g) { return g * 3.0; });
    found[recomputed].push_back(tape.gradient(sum(y), x));
    found[recomputed].push_back(tape.gradient(sum(y), x));
    BOOST_TEST(calls == 2);
  }
  check_bits(found[1], found[0]);
}

BOOST_AUTO_TEST_CASE(check_finite_says_the_same) {
  std::string text[2];
  for (const bool recomputed : {false, true}) {
    Tape tape({.check_finite = true});
    const Tensor x = tape.watch(tensor({1.0, 0.0}));
    const auto f = [](const Tensor& a) { return sqrt(a * 1.0); };
    const Tensor y = recomputed ? recompute(f, x) : f(x);
    text[recomputed] = error_text([&] { static_cast<void>(tape.gradient(sum(y), x)); });
  }
  BOOST_TEST(text[1] == text[0]);
  BOOST_TEST(text[0] != "");
}

BOOST_AUTO_TEST_CASE(an_exception_of_the_first_run_goes_through) {
  Tape tape;
  const Tensor x = tape.watch(uniform({3}, -1, 1));
  Tensor y = tanh(x);
  BOOST_CHECK_THROW(static_cast<void>(recompute(
                        [](const Tensor& a) -> Tensor {
                          const Tensor b = recompute([](const Tensor& c) { return exp(c); }, a);
                          throw std::runtime_error(to_string(b.shape()));
                        },
                        y)),
                    std::runtime_error);
  y = recompute([](const Tensor& a) { return tanh(a); }, y);
  const Tensor g = tape.gradient(sum(y), x);
  BOOST_TEST(all_equal(g, tape.gradient(sum(tanh(tanh(x))), x)));
}

BOOST_AUTO_TEST_CASE(an_exception_of_the_second_run_goes_through) {
  const Chain chain;
  bool fails = false;
  Tape tape;
  const Tensor y = recompute(
      [&](const Tensor& x) {
        const Tensor z = chain.run(x, 2);
        if (fails) throw std::runtime_error("now");
        return chain.run(z, 2);
      },
      chain.x);
  const Tensor expected = tape.backward(sum(y), {.retain = true})[chain.W];
  fails = true;
  const Index before = pool_bytes();
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(sum(y), {.retain = true})), std::runtime_error);
  BOOST_TEST(pool_bytes() == before);
  BOOST_TEST(tape.is_open());
  fails = false;
  BOOST_TEST(all_equal(tape.backward(sum(y), {.retain = true})[chain.W], expected));
  fails = true;
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(sum(y))), std::runtime_error);
  BOOST_TEST(!tape.is_open());
}

BOOST_AUTO_TEST_CASE(a_function_that_changes_is_found_out) {
  const std::string rest =
      "; needed a function that does the same whenever it is called; hint: what it reads beside "
      "its inputs must stay as it is until backward: capture by value, and draw random numbers "
      "from default_rng() or the tape, not from an Rng of your own";
  const auto check = [&](const auto& f, const std::string& given) {
    int run = 0;
    Tape tape;
    const Tensor x = tape.watch(full({2, 3}, 0.5));
    const Tensor y = recompute([&](const Tensor& a) { return f(a, run++); }, x);
    check_throws([&] { return tape.gradient(sum(y), x); }, "[recompute] " + given + rest);
    run = 0;  // and the tape is as it was
    BOOST_TEST(tape.gradient(sum(y), x).defined());
  };
  check([](const Tensor& a, int run) { return run == 0 ? tanh(a) : sin(a); },
        "f recorded sin where it recorded tanh the first time");
  check([](const Tensor& a, int run) { return run == 0 ? exp(tanh(a)) : tanh(a); },
        "f recorded fewer operations than the first time");
  check([](const Tensor& a, int run) { return run == 0 ? tanh(a) : exp(tanh(a)); },
        "f recorded exp beyond what it recorded the first time");
  check([](const Tensor& a, int run) { return slice(tanh(a), {.axis = 1, .to = 1 + run}); },
        "f recorded slice with operands or a result other than those of the first time");
  check([](const Tensor& a, int run) { return tanh(a) * (1.0 + run); },
        "f returned other values than the first time");
  check(
      [](const Tensor& a, int run) {
        const auto f = [](const Tensor& b) { return tanh(b); };
        return run == 0 ? f(a) : recompute(f, a);
      },
      "f called recompute where it did not the first time");
  const Tensor other = full({2, 3}, 0.5);
  check([&](const Tensor& a, int run) { return tanh(a) * (run == 0 ? a : other); },
        "f recorded mul with operands or a result other than those of the first time");
}

BOOST_AUTO_TEST_CASE(misuse) {
  Tape tape;
  const Tensor x = tape.watch(full({2}, 0.5));
  check_throws([&] { return recompute([&](const Tensor& a) { return tape.watch(a); }, x); },
               "[watch] a tensor inside recompute; needed watched before, and given to recompute "
               "as an input; hint: recompute(f, tape.watch(x))");
  check_throws(
      [&] {
        return recompute(
            [&](const Tensor& a) {
              static_cast<void>(tape.backward(sum(a), std::span<const Tensor>()));
              return a;
            },
            x);
      },
      "[recompute] f closed the tape; needed backward after it; hint: tape.gradient(y, x) leaves "
      "the tape open");
}

BOOST_AUTO_TEST_CASE(a_parameter_changed_between_is_noticed) {
  const Chain chain;
  Tape tape;
  const Tensor y = recompute([&](const Tensor& x) { return chain.run(x, 2); }, chain.x);
  overwrite(chain.W, 0.5, 1);
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(sum(y))), Error);
}

// What f opens and closes itself works in the second run, whatever surrounds that.
BOOST_AUTO_TEST_CASE(backward_while_paused_or_under_another_tape) {
  const Chain chain;
  Tape tape;
  const Tensor y = recompute(
      [&](const Tensor& x) {
        Tensor quiet;
        {
          Tape inner;
          const Tensor a = inner.watch(full({1}, 2.0));
          quiet = detach(inner.gradient(sum(a * a), a));
        }
        const auto pause = [&] {
          const auto off = tape.pause();
          return tanh(x);
        };
        return chain.run(x * quiet + pause(), 3);
      },
      chain.x);
  const Tensor loss = sum(y);
  const Tensor expected = tape.backward(loss, {.retain = true})[chain.W];
  {
    const auto off = tape.pause();
    BOOST_TEST(all_equal(tape.backward(loss, {.retain = true})[chain.W], expected));
    BOOST_TEST(tanh(chain.W).header()->tape == 0U);
  }
  {
    Tape inner;
    BOOST_TEST(all_equal(tape.backward(loss, {.retain = true})[chain.W], expected));
    BOOST_TEST(tanh(chain.W).header()->tape != 0U);
    BOOST_TEST(inner.nodes() == 1);
  }
  BOOST_TEST(all_equal(tape.backward(loss)[chain.W], expected));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
