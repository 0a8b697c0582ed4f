// Recordings kept in files beside the tests.
#include <unroll/unroll.h>

#include <cstdlib>
#include <filesystem>

#include <boost/test/unit_test.hpp>

#include "support/made_snapshot.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

// UNROLL_UPDATE_GOLDEN until the end of the block.
class Updating {
 public:
  explicit Updating(const char* value) {
    ::setenv("UNROLL_UPDATE_GOLDEN", value, 1);  // NOLINT(concurrency-mt-unsafe)
  }
  ~Updating() { ::unsetenv("UNROLL_UPDATE_GOLDEN"); }
  Updating(const Updating&) = delete;
  Updating& operator=(const Updating&) = delete;
};

graph::Snapshot recorded(bool squashed, bool backward) {
  seed(1);
  const nn::GRU gru({.input = 2, .hidden = 3});
  Tape tape({.statistics = true, .timings = true});
  Tensor y = gru(ones({3, 2, 2})).outputs;
  if (squashed) y = tanh(y);
  const Tensor loss = sum(y);
  if (backward) static_cast<void>(tape.backward(loss, {.keep_norms = true}));
  return tape.snapshot();
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_golden)

BOOST_AUTO_TEST_CASE(a_missing_file_says_how_to_make_it) {
  const TemporaryFolder folder;
  const auto report = graph::matches_golden(recorded(false, false), folder / "gru.json");
  BOOST_TEST(!report.ok());
  BOOST_TEST(mentions(report.text(), "gru.json"), report);
  BOOST_TEST(mentions(report.text(), "UNROLL_UPDATE_GOLDEN=1"), report);
  BOOST_TEST(!std::filesystem::exists(folder / "gru.json"));
}

BOOST_AUTO_TEST_CASE(written_once_and_compared) {
  const TemporaryFolder folder;
  const std::string path = folder / "gru.json";
  {
    const Updating updating("1");
    BOOST_TEST(graph::matches_golden(recorded(false, true), path).ok());
  }
  const std::string text = read_file(path);
  BOOST_TEST(graph::matches_golden(recorded(false, true), path).ok());
  BOOST_TEST(graph::matches_golden(recorded(false, false), path).ok());
  const auto report = graph::matches_golden(recorded(true, false), path);
  BOOST_TEST(!report.ok());
  BOOST_TEST(mentions(report.text(), "tanh"), report);
  BOOST_TEST(mentions(report.text(), "the first is " + path), report);
  BOOST_TEST(mentions(report.text(), "UNROLL_UPDATE_GOLDEN=1"), report);
  {
    const Updating not_updating("0");
    BOOST_TEST(!graph::matches_golden(recorded(true, false), path).ok());
  }
  BOOST_TEST(read_file(path) == text);
  {
    // Nothing that was measured is in it: two runs write the same bytes.
    const Updating updating("1");
    BOOST_TEST(graph::matches_golden(recorded(false, true), path).ok());
    BOOST_TEST(read_file(path) == text);
    BOOST_TEST(graph::matches_golden(recorded(true, false), path).ok());
  }
  BOOST_TEST(graph::matches_golden(recorded(true, false), path).ok());
}

BOOST_AUTO_TEST_CASE(what_is_no_recording_is_an_error) {
  const TemporaryFolder folder;
  write_file(folder / "gru.json", "[]");
  BOOST_CHECK_THROW(graph::matches_golden(recorded(false, false), folder / "gru.json"), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
