// Tapes belong to their thread.
#include <future>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

// Runs f on a thread of its own and waits; what it throws is thrown here.
template <class F>
auto elsewhere(const F& f) {
  return std::async(std::launch::async, f).get();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(threads_and_tapes)

BOOST_AUTO_TEST_CASE(a_value_being_recorded_on_another_thread_is_refused) {
  Tape tape;
  const Tensor y = tanh(tape.watch(ones({2})));
  const std::string expected =
      "an operand is being recorded by a tape on another thread; needed a value of this thread's "
      "tape or without history; "
      "hint: detach(x), or compute on the thread of the tape";
  BOOST_TEST(elsewhere([&] { return error_text([&] { static_cast<void>(exp(y)); }); }) ==
             "[exp] " + expected);
  BOOST_TEST(elsewhere([&] { return error_text([&] { static_cast<void>(select(y, 0, 0)); }); }) ==
             "[select] " + expected);
  BOOST_TEST(elsewhere([&] {
               return error_text([&] { static_cast<void>(stack({y, y}, 0)); });
             }) == "[stack] " + expected);
  BOOST_TEST(elsewhere([&] {
               Tape theirs;
               return error_text([&] { static_cast<void>(exp(y)); });
             }) == "[exp] " + expected);
  BOOST_TEST(elsewhere([&] { return exp(detach(y)).size(); }) == 2);
  BOOST_TEST(elsewhere([&] { return argmax(y, 0).item(); }) == 0.0);
  BOOST_TEST(elsewhere([&] { return contiguous(y).span<float>()[0]; }) > 0.7F);
}

BOOST_AUTO_TEST_CASE(a_value_of_a_tape_that_ended_or_closed_on_another_thread_is_a_value) {
  const Tensor p = make_parameter(ones({2}), "p");
  const Tensor ended = elsewhere([&] {
    Tape tape;
    return tanh(p);
  });
  BOOST_TEST(exp(ended).size() == 2);
  {
    Tape tape;
    BOOST_CHECK_THROW(static_cast<void>(exp(ended)), Error);
  }
  Tape tape;
  const Tensor closed = tanh(p);
  static_cast<void>(tape.backward(sum(closed)));
  BOOST_TEST(elsewhere([&] { return error_text([&] { static_cast<void>(exp(closed)); }); }) == "");
}

BOOST_AUTO_TEST_CASE(a_tape_is_used_on_its_own_thread) {
  Tape tape;
  const Tensor x = tape.watch(ones({1}));
  const Tensor y = tanh(x);
  const std::string expected =
      "[tape] a tape used on another thread than the one it was made on; needed its own thread; "
      "hint: one Tape per thread";
  BOOST_TEST(elsewhere([&] {
               return error_text([&] { static_cast<void>(tape.watch(ones({1}))); });
             }) == expected);
  BOOST_TEST(elsewhere([&] { return error_text([&] { static_cast<void>(tape.backward(y)); }); }) ==
             expected);
  BOOST_TEST(elsewhere([&] {
               return error_text([&] { static_cast<void>(tape.gradient(y, x)); });
             }) == expected);
  BOOST_TEST(
      elsewhere([&] { return error_text([&] { auto off = tape.pause(); }); }) ==
      "[pause] an outer tape, or one of another thread; needed this thread's innermost tape");
  BOOST_TEST(tape.is_open());
}

BOOST_AUTO_TEST_CASE(modes_and_streams_belong_to_the_thread) {
  Tape tape;
  BOOST_TEST(is_training());
  BOOST_TEST(!elsewhere([] { return is_training(); }));
  seed(5);
  const auto here = default_rng().next();
  BOOST_TEST(elsewhere([] {
               seed(5);
               return default_rng().next();
             }) == here);
}

// Shards of a batch, each with a tape of its own on a thread of its own, on shared parameters.
BOOST_AUTO_TEST_CASE(many_threads_differentiate_one_model) {
  const Tensor W = make_parameter(uniform({16, 16}, -0.3, 0.3), "W");
  const Tensor x = uniform({8, 16}, -1, 1);
  const auto gradient = [&] {
    Tape tape;
    Tensor h = x;
    for (int t = 0; t < 12; ++t) h = tanh(matmul(h, W) + x);
    return tape.backward(sum(h * h))[W];
  };
  const Tensor alone = gradient();
  std::vector<std::future<Tensor>> shards;
  for (int k = 0; k < 8; ++k)
    shards.push_back(std::async(std::launch::async, [&] {
      Tensor last;
      for (int round = 0; round < 20; ++round) last = gradient();
      return last;
    }));
  for (auto& shard : shards) BOOST_TEST(all_equal(shard.get(), alone));
}

// Tensors made on one thread and let go on another, for as long as the pool would have to grow if
// it did not take them back.
BOOST_AUTO_TEST_CASE(tensors_die_on_other_threads) {
  const Index before = memory_stats().live_bytes;
  for (int round = 0; round < 20; ++round) {
    std::vector<Tensor> all;
    for (int k = 0; k < 50; ++k) all.push_back(uniform({64, 3}, -1, 1));
    std::thread([mine = std::move(all)]() mutable { mine.clear(); }).join();
  }
  BOOST_TEST(memory_stats().live_bytes == before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
