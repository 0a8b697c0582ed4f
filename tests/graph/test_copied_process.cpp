// Work in a copy of the process, which may come to any end.
#include <unroll/autograd/graphviz/detail/copied_process.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>
#include <unistd.h>

namespace unroll::test {
namespace {

using graph::detail::copies_can_allocate;
using graph::detail::in_copied_process;
using graph::detail::Outcome;

}  // namespace

BOOST_AUTO_TEST_SUITE(copied_process)

BOOST_AUTO_TEST_CASE(gives_back_any_bytes) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{5'000'000}}) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * i + (i >> 8U));
    const Outcome outcome = in_copied_process([&] { return bytes; });
    BOOST_TEST((outcome.kind == Outcome::Kind::done));
    BOOST_TEST((outcome.text == bytes));
  }
}

BOOST_AUTO_TEST_CASE(what_it_does_to_memory_does_not_stay) {
  std::vector<int> values{1, 2, 3};
  const Outcome outcome = in_copied_process([&] {
    values.assign(1000, 7);
    return std::to_string(values.size());
  });
  BOOST_TEST(outcome.text == "1000");
  BOOST_TEST(values.size() == 3U);
}

BOOST_AUTO_TEST_CASE(its_end_is_not_ours) {
  const auto expect = [](const std::function<std::string()>& work, const std::string& end) {
    const Outcome outcome = in_copied_process(work);
    BOOST_TEST((outcome.kind == Outcome::Kind::died));
    BOOST_TEST(outcome.text == end);
  };
  expect([]() -> std::string { std::abort(); }, "it ended by Aborted");
  expect(
      []() -> std::string {
        static_cast<void>(std::raise(SIGSEGV));
        return "no";
      },
      "it ended by Segmentation fault");
  expect([]() -> std::string { std::_Exit(3); }, "it ended early");
  expect([]() -> std::string { throw std::bad_alloc(); }, "it ended early");
  BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);  // nobody is left
}

BOOST_AUTO_TEST_CASE(works_where_children_are_not_waited_for) {
  const auto old = std::signal(SIGCHLD, SIG_IGN);
  BOOST_TEST(in_copied_process([] { return std::string("done"); }).text == "done");
  const Outcome outcome = in_copied_process([]() -> std::string { std::abort(); });
  BOOST_TEST((outcome.kind == Outcome::Kind::died));
  static_cast<void>(std::signal(SIGCHLD, old));
}

// A lock that another thread held when the process was copied stays locked in the copy.
BOOST_AUTO_TEST_CASE(a_copy_that_waits_for_ever_is_ended) {
  const Outcome outcome = in_copied_process(
      [] {
        ::pause();
        return std::string("no");
      },
      std::chrono::seconds(1));
  BOOST_TEST((outcome.kind == Outcome::Kind::stuck));
  BOOST_TEST(outcome.text == "");
  BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);  // nobody is left
}

BOOST_AUTO_TEST_CASE(a_copy_that_works_for_long_is_waited_for) {
  const Outcome outcome = in_copied_process(
      [] {
        while (std::clock() < 5 * CLOCKS_PER_SEC / 2) continue;  // the copy's clock begins at 0
        return std::string("done");
      },
      std::chrono::seconds(1));
  BOOST_TEST((outcome.kind == Outcome::Kind::done));
  BOOST_TEST(outcome.text == "done");
}

BOOST_AUTO_TEST_CASE(works_beside_threads_that_allocate) {
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop) std::vector<std::string>(100, std::string(1000, 'x')).clear();
  });
  bool stuck = false;
  for (int k = 0; k < 50 && !stuck; ++k) {
    const Outcome outcome = in_copied_process([] { return std::string(100'000, 'y'); },
                                              std::chrono::seconds(copies_can_allocate() ? 20 : 2));
    stuck = outcome.kind == Outcome::Kind::stuck && !copies_can_allocate();
    BOOST_TEST((stuck || outcome.text.size() == 100'000U));
  }
  stop = true;
  busy.join();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
