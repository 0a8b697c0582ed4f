// Long chains, wide joins, many readers of one tensor. Nothing recurses on the length of the graph.
#include <array>
#include <cmath>
#include <functional>
#include <stdexcept>

#include <boost/test/unit_test.hpp>
#include <pthread.h>

#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr Index million = 1'000'000;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr Index chain_length = million / 20;  // a shadow stack and slow blocks
constexpr std::size_t small_stack = 1 << 20;
#else
constexpr Index chain_length = million;
constexpr std::size_t small_stack = 256 << 10;
#endif

// Runs f on a thread with little stack: recursion that grows with the graph ends the process.
void with_small_stack(const std::function<void()>& f) {
  pthread_attr_t attributes;
  BOOST_REQUIRE(pthread_attr_init(&attributes) == 0);
  BOOST_REQUIRE(pthread_attr_setstacksize(&attributes, small_stack) == 0);
  struct Call {
    const std::function<void()>& f;
    std::exception_ptr failed;
  } call{f, nullptr};
  pthread_t thread{};
  BOOST_REQUIRE(pthread_create(
                    &thread, &attributes,
                    [](void* given) -> void* {
                      auto& mine = *static_cast<Call*>(given);
                      try {
                        mine.f();
                      } catch (...) {
                        mine.failed = std::current_exception();
                      }
                      return nullptr;
                    },
                    &call) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  if (call.failed) std::rethrow_exception(call.failed);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scale)

BOOST_AUTO_TEST_CASE(a_chain_on_a_small_stack) {
  double value = 0, slope = 0;
  Index nodes = 0;
  with_small_stack([&] {
    Tape tape;
    const Tensor x = tape.watch(full({}, 0.5, f64));
    Tensor h = x;
    for (Index k = 0; k < chain_length; ++k) h = h * (k % 2 == 0 ? 0.5 : 2.0);
    nodes = tape.nodes();
    value = h.item();
    slope = tape.gradient(h, x).item();
  });
  BOOST_TEST(nodes == chain_length);
  BOOST_TEST(value == 0.5);
  BOOST_TEST(slope == 1.0);
}

BOOST_AUTO_TEST_CASE(a_chain_of_every_kind_of_node_on_a_small_stack) {
  const Tensor p = make_parameter(full({2, 2}, 0.25, f64), "p");
  const Tensor W = make_parameter(eye(2, f64), "W");
  double sum_p = 0;
  with_small_stack([&] {
    Tape tape;
    Tensor h = p;
    for (Index k = 0; k < chain_length / 10; ++k) {
      const auto pieces = split<2>(h, 1);
      h = concat({pieces[0], pieces[1]}, 1);
      h = affine(h, W, reshape(transpose(transpose(h, 0, 1), 0, 1), {2, 2})) * 0.5;
      h = stack({select(h, 0, 0), select(h, 0, 1)}, 0);
    }
    auto grads = tape.backward(sum(h));
    sum_p = sum(grads[p]).item();
    h = {};
  });
  BOOST_TEST(sum_p == 4.0);
}

// A chain of views of views, and of addends that share a gradient.
BOOST_AUTO_TEST_CASE(chains_of_views_and_of_addends_on_a_small_stack) {
  const Tensor p = make_parameter(full({2, 2}, 0.25, f64), "p");
  const Tensor x = full({2, 2}, 1, f64);
  const Tensor W = make_parameter(zeros({2, 2}, f64), "W");
  double sum_p = 0, sum_w = 0;
  with_small_stack([&] {
    Tape tape;
    Tensor h = p * 1.0;
    for (Index k = 0; k < chain_length / 10; ++k) h = transpose(h, 0, 1);
    for (Index k = 0; k < chain_length / 10; ++k) h = affine(x, W, h);
    const auto grads = tape.backward(sum(h));
    sum_p = sum(grads[p]).item();
    sum_w = sum(grads[W]).item();
  });
  BOOST_TEST(sum_p == 4.0);
  BOOST_TEST(sum_w == 8.0 * static_cast<double>(chain_length / 10));
}

// Node, value, payload and header, without the elements (a one-element block has 64 bytes to read
// past).
BOOST_AUTO_TEST_CASE(bookkeeping_of_a_node) {
  constexpr Index count = 100'000;
  const Index before = memory_stats().live_bytes;
  Tape tape;
  const Tensor x = tape.watch(full({}, 0.5));
  Tensor h = x;
  for (Index k = 0; k < count; ++k) h = h * 1.0001;
  constexpr Index arrays = 32 + 8;  // a Node and a Value, outside the pool
  constexpr Index elements = 64;
  const Index each = (memory_stats().live_bytes - before) / count + arrays - elements;
  BOOST_TEST_MESSAGE("bytes of bookkeeping for a node: " << each);
  BOOST_TEST(each <= 200);
}

BOOST_AUTO_TEST_CASE(fan_in_of_a_stack) {
  constexpr Index count = 100'000;
  Tape tape;
  const Tensor x = tape.watch(uniform({4}, -1, 1, f64));
  std::vector<Tensor> parts;
  for (Index k = 0; k < count; ++k) parts.push_back(x * static_cast<double>(k % 7));
  const Tensor y = sum(stack(parts, 0), 0);
  double total = 0;
  for (Index k = 0; k < count; ++k) total += static_cast<double>(k % 7);
  const Tensor g = tape.gradient(sum(y), x);
  BOOST_TEST(all_close(g, full({4}, total, f64), {.relative = 1e-12}));
}

BOOST_AUTO_TEST_CASE(fan_in_of_one_tensor_repeated) {
  constexpr Index count = 100'000;
  Tape tape;
  const Tensor x = tape.watch(uniform({3}, -1, 1, f64));
  const std::vector<Tensor> parts(static_cast<std::size_t>(count), x);
  const Tensor w = uniform({count, 3}, -1, 1, f64);
  const Tensor g = tape.gradient(sum(stack(parts, 0) * w), x);
  BOOST_TEST(all_close(g, sum(w, 0), {.relative = 1e-9}));
}

BOOST_AUTO_TEST_CASE(fan_out_of_one_tensor) {
  constexpr Index count = 100'000;
  Tape tape;
  const Tensor x = tape.watch(full({2}, 0.5, f64));
  const Tensor h = x * 1.0;
  Tensor total = zeros({2}, f64);
  for (Index k = 0; k < count; ++k) total = total + h * 1e-5;
  BOOST_TEST(all_close(tape.gradient(sum(total), x), ones({2}, f64), {.relative = 1e-9}));
}

// The number of uses is counted in 16 bits and stays at its maximum.
BOOST_AUTO_TEST_CASE(a_weight_used_more_often_than_is_counted) {
  constexpr Index count = 70'000;
  const Tensor W = make_parameter(full({1, 1}, 1, f64), "W");
  const Tensor x = full({1, 1}, 2, f64);
  Tape tape;
  Tensor total = zeros({1, 1}, f64);
  for (Index k = 0; k < count; ++k) total = affine(x, W, total);
  BOOST_TEST(tape.backward(sum(total))[W].item() == 2.0 * static_cast<double>(count));
}

BOOST_AUTO_TEST_CASE(a_diamond_of_thirty_levels) {
  Tape tape;
  const Tensor x = tape.watch(full({}, 1.5, f64));
  Tensor h = x;
  for (int level = 0; level < 30; ++level) h = h * 0.75 + h * 0.25 + h;
  BOOST_TEST(tape.nodes() == 30 * 4);
  BOOST_TEST(h.item() == std::ldexp(1.5, 30));
  BOOST_TEST(tape.gradient(h, x).item() == std::ldexp(1.0, 30));
}

BOOST_AUTO_TEST_CASE(shapes_that_no_memory_holds_are_refused) {
  for (const Index bits : {58, 59, 60, 61, 62})
    for (const DType dtype : {f32, f64, i64})
      BOOST_CHECK_THROW(static_cast<void>(zeros({Index{1} << bits}, dtype)), std::exception);
  BOOST_CHECK_THROW(static_cast<void>(zeros({Index{1} << 40, Index{1} << 40})), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
