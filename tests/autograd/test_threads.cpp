// The same bits on any number of threads, at sizes that are really cut; and a pool that stops
// growing.
#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <thread>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

// Puts the limit back whatever happens.
struct Threads {
  explicit Threads(Index count) { set_threads(count); }
  ~Threads() { set_threads(0); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
};

using Results = std::vector<Tensor>;

void check_same_bits(const std::function<Results()>& compute) {
  Results alone;
  {
    const Threads one(1);
    alone = compute();
  }
  for (const Index count : {2, 4, 2}) {
    const Threads limit(count);
    BOOST_TEST(threads() ==
               std::min<Index>(count, static_cast<Index>(std::thread::hardware_concurrency())));
    const Results together = compute();
    BOOST_REQUIRE(together.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i)
      BOOST_TEST_CONTEXT("result " << i << " on " << count << " threads")
    BOOST_TEST(all_equal(together[i], alone[i]));
  }
}

Tensor numbers(const Shape& shape, DType dtype, std::uint64_t stream) {
  Rng rng(stream);
  return uniform(shape, -1, 1, rng, dtype);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(same_bits)

BOOST_AUTO_TEST_CASE(products) {
  for (const DType dtype : {f32, f64})
    check_same_bits([dtype] {
      Results all;
      for (const auto& [m, k, n] :
           {std::array<Index, 3>{700, 300, 500}, {33, 2000, 1500}, {3000, 64, 200}}) {
        Tape tape;
        const Tensor x = tape.watch(numbers({m, k}, dtype, 1));
        const Tensor W = tape.watch(numbers({k, n}, dtype, 2));
        const Tensor y = matmul(x, W);
        auto [gx, gW] = tape.gradient(y, {x, W}, {.upstream = numbers({m, n}, dtype, 3)});
        all.insert(all.end(), {detach(y), gx, gW});
      }
      return all;
    });
}

BOOST_AUTO_TEST_CASE(gathered_products) {
  check_same_bits([] {
    Tape tape;
    const Tensor W = tape.watch(numbers({400, 400}, f32, 1));
    const Tensor x = numbers({300, 400}, f32, 2);
    Tensor h = x;
    for (int t = 0; t < 12; ++t) h = tanh(affine(h, W, x));
    return Results{detach(h), tape.gradient(sum(h), W)};
  });
}

BOOST_AUTO_TEST_CASE(pointwise_functions) {
  for (const DType dtype : {f32, f64})
    check_same_bits([dtype] {
      Results all;
      for (const Shape& shape : {Shape{200'003}, Shape{701, 333}, Shape{5, 40'001}}) {
        Tape tape;
        const Tensor x = tape.watch(numbers(shape, dtype, 1));
        const Tensor b = tape.watch(numbers({shape[-1]}, dtype, 2));
        const Tensor y = sigmoid(x) * gelu(x + b);
        auto [gx, gb] = tape.gradient(y, {x, b}, {.upstream = numbers(shape, dtype, 3)});
        all.insert(all.end(), {detach(y), gx, gb});
      }
      return all;
    });
}

BOOST_AUTO_TEST_CASE(sums) {
  for (const DType dtype : {f32, f64})
    check_same_bits([dtype] {
      Results all;
      const Tensor long_row = numbers({1'000'003}, dtype, 1);
      const Tensor matrix = numbers({1'501, 703}, dtype, 2);
      const Tensor block = numbers({30, 400, 101}, dtype, 3);
      all.insert(all.end(),
                 {sum(long_row), mean(long_row), sum(matrix, 0), sum(matrix, 1), sum(block, 1),
                  sum(block, {0, 2}), max(matrix, 0), sum_to(block, {400, 1})});
      return all;
    });
}

BOOST_AUTO_TEST_CASE(softmax_and_cross_entropy) {
  check_same_bits([] {
    Tape tape;
    const Tensor x = tape.watch(numbers({900, 1'003}, f32, 1));
    std::vector<Index> ids(900);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Index>(i * 37 % 1003);
    const Tensor loss = cross_entropy(x, from(std::span<const Index>(ids), {900}));
    const Tensor p = softmax(x);
    const Tensor g = tape.gradient(loss + sum(square(p)), x);
    return Results{detach(loss), detach(p), log_softmax(detach(x)), g};
  });
}

BOOST_AUTO_TEST_CASE(rows_of_a_table) {
  check_same_bits([] {
    const Tensor table = make_parameter(numbers({500, 64}, f32, 1), "table");
    std::vector<Index> ids(20'000);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Index>(i * i % 499);
    Tape tape;
    const Tensor y = embedding(table, from(std::span<const Index>(ids), {200, 100}));
    const auto grads = tape.backward(sum(square(y) * numbers({200, 100, 64}, f32, 2)));
    return Results{detach(y), grads[table]};
  });
}

BOOST_AUTO_TEST_CASE(random_numbers_and_masks) {
  for (const DType dtype : {f32, f64})
    check_same_bits([dtype] {
      Rng rng(5);
      Results all{uniform({100'003}, -1, 2, rng, dtype), normal({100'003}, 1, 2, rng, dtype),
                  bernoulli({100'003}, 0.3, rng, dtype)};
      Tape tape({.rng = &rng});
      const Tensor x = tape.watch(ones({701, 301}, dtype));
      const Tensor y = dropout(x, 0.4);
      all.push_back(detach(y));
      all.push_back(tape.gradient(sum(y), x));
      return all;
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(pool)

BOOST_AUTO_TEST_CASE(a_steady_training_loop_takes_nothing_from_the_system) {
  const Tensor W = make_parameter(numbers({48, 48}, f32, 1), "W");
  const Tensor table = make_parameter(numbers({30, 48}, f32, 2), "table");
  const Tensor ids = tensor({3, 7, 7, 29, 0, 1, 2, 3});
  const auto step = [&] {
    Tape tape;
    const Tensor x = embedding(table, ids);
    Tensor h = x;
    std::vector<Tensor> outputs;
    for (int t = 0; t < 20; ++t) outputs.push_back(h = dropout(tanh(affine(h, W, x)), 0.2));
    auto grads =
        tape.backward(cross_entropy(reshape(stack(outputs, 0), {160, 48}), full({160}, 3, i64)));
    grads *= 0.5;
    return grads.norm();
  };
  for (int warm = 0; warm < 5; ++warm) step();
  const MemoryStats before = memory_stats();
  for (int round = 0; round < 50; ++round) step();
  const MemoryStats after = memory_stats();
#if !defined(__SANITIZE_ADDRESS__)  // which has every block taken from the system, to watch over it
  BOOST_TEST(after.system_allocations == before.system_allocations);
  BOOST_TEST(after.reserved_bytes == before.reserved_bytes);
#endif
  BOOST_TEST(after.live_bytes == before.live_bytes);
}

BOOST_AUTO_TEST_CASE(classes_hold_what_they_are_asked_for) {
  for (std::size_t bytes = 1; bytes < (std::size_t{1} << 22); bytes += 1 + bytes / 37) {
    const std::uint8_t block_class = detail::pool_class(bytes);
    const std::size_t held = detail::pool_class_bytes(block_class);
    BOOST_REQUIRE(held >= bytes);
    BOOST_REQUIRE(held % 64 == 0U);
    BOOST_REQUIRE((held <= 1024 ? held < bytes + 64 : held - bytes <= bytes / 3));
    BOOST_REQUIRE(detail::pool_class(held) == block_class);
  }
}

BOOST_AUTO_TEST_CASE(blocks_are_aligned_and_counted) {
  const Index before = memory_stats().live_bytes;
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{65}, std::size_t{5000}, std::size_t{3} << 20}) {
    const std::uint8_t block_class = detail::pool_class(bytes);
    std::byte* const block = detail::pool_take(block_class);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(block) % 64 == 0U);
    BOOST_TEST(memory_stats().live_bytes ==
               before + static_cast<Index>(detail::pool_class_bytes(block_class)));
    std::fill_n(block, bytes, std::byte{0x5a});
    detail::pool_give(block, block_class);
    BOOST_TEST(memory_stats().live_bytes == before);
  }
}

BOOST_AUTO_TEST_CASE(every_tensor_is_aligned_and_can_be_read_past_its_end) {
  for (Index n = 0; n < 70; ++n) {
    const Tensor x = zeros({n});
    BOOST_REQUIRE(reinterpret_cast<std::uintptr_t>(x.span<float>().data()) % 64 == 0U);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(parallel)

BOOST_AUTO_TEST_CASE(every_index_once_in_pieces_of_the_grain) {
  for (const Index count : {Index{0}, Index{1}, Index{7}, Index{100}, Index{1001}})
    for (const Index grain : {Index{1}, Index{10}, Index{1000}, Index{5000}}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      std::atomic<bool> cut_right{true};
      detail::parallel_for(count, grain, [&](Index begin, Index end) {
        if (begin % grain != 0 || end != std::min(count, begin + grain)) cut_right = false;
        for (Index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      BOOST_TEST(cut_right.load());
      for (const auto& times : seen) BOOST_REQUIRE(times.load() == 1);
    }
}

BOOST_AUTO_TEST_CASE(the_first_exception_by_position) {
  for (const Index count : {1, 4}) {
    const Threads limit(count);
    for (int round = 0; round < 20; ++round)
      BOOST_TEST(error_text([] {
                   detail::parallel_for(64, 1, [](Index begin, Index) {
                     if (begin % 16 == 5)
                       fail_nowhere("task",
                                    {.given = std::to_string(begin), .needed = {}, .hint = {}});
                   });
                 }) == "[task] 5");
  }
}

BOOST_AUTO_TEST_CASE(nested_loops_finish) {
  std::atomic<Index> total{0};
  detail::parallel_for(8, 1, [&](Index, Index) {
    detail::parallel_for(100, 10, [&](Index begin, Index end) { total += end - begin; });
  });
  BOOST_TEST(total.load() == 800);
}

// A thread that waits inside a loop takes no task of an outer one.
BOOST_AUTO_TEST_CASE(a_waiting_thread_runs_no_strangers_task) {
  thread_local bool inside = false;
  std::atomic<int> strangers{0};
  detail::parallel_for(64, 1, [&](Index, Index) {
    if (inside) ++strangers;
    inside = true;
    detail::parallel_for(64, 1, [](Index begin, Index) {
      double x = static_cast<double>(begin);
      for (int k = 0; k < 2000; ++k) x = x * 0.999 + 1;
      if (x < 0) fail_nowhere("task", {});
    });
    inside = false;
  });
  BOOST_TEST(strangers.load() == 0);
}

BOOST_AUTO_TEST_CASE(set_threads_refuses_negative_counts) {
  BOOST_TEST(error_text([] { set_threads(-1); }) == "[set_threads] -1 threads; needed 0 or more");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
