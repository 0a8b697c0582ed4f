#include "run.h"

#include <unroll/autograd/rng.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

namespace gradcheck_tool {
namespace {

// Which variant of which row.
struct Job {
  std::size_t row;
  std::size_t variant;
};

void enter(Outcome& outcome, const Variant& variant, Result result) {
  for (std::size_t k = 0; k < outcome.worst.size(); ++k)
    outcome.worst[k] = std::max(outcome.worst[k], result.worst[k]);
  outcome.seconds += result.seconds;
  if (!result.ok)
    outcome.failures.push_back(
        {variant.name, std::move(result.text), std::move(result.explanation)});
}

}  // namespace

std::vector<Outcome> run(const std::vector<Row>& rows, const RunOptions& options,
                         Progress& progress) {
  std::vector<Job> jobs;
  std::vector<std::vector<Result>> results(rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    results[r].resize(rows[r].variants.size());
    for (std::size_t v = 0; v < rows[r].variants.size(); ++v) jobs.push_back({r, v});
  }
  // Models take much longer than operations: mixed, the time that is left can be told early.
  unroll::Rng rng(1);
  for (std::size_t i = jobs.size(); i > 1; --i)
    std::swap(jobs[i - 1], jobs[static_cast<std::size_t>(rng.below(static_cast<Index>(i)))]);
  progress.begin(std::ssize(jobs));

  std::mutex mutex;
  std::size_t next = 0;
  const auto work = [&] {
    for (std::unique_lock lock(mutex); next < jobs.size();) {
      const auto [r, v] = jobs[next++];
      lock.unlock();
      Result result = check(rows[r], rows[r].variants[v], options.order, options.seed);
      lock.lock();
      progress.done(rows[r].full_name(), result.ok);
      results[r][v] = std::move(result);
    }
  };
  {
    std::vector<std::jthread> workers;
    for (Index i = 1; i < options.jobs; ++i) workers.emplace_back(work);
    work();
  }
  progress.end();

  std::vector<Outcome> outcomes(rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    outcomes[r].variants = std::ssize(rows[r].variants);
    for (std::size_t v = 0; v < results[r].size(); ++v)
      enter(outcomes[r], rows[r].variants[v], std::move(results[r][v]));
    if (rows[r].variants.empty())
      outcomes[r].failures.push_back(
          {"", "nothing is checked: the operation has no check row, or one without cases", ""});
  }
  return outcomes;
}

}  // namespace gradcheck_tool
