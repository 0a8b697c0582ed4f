#pragma once

#include <unroll/autograd/graph/detail/letters.h>

#include <array>
#include <utility>
#include <vector>

// Sequences whose numbers stay or grow evenly, written as runs.
namespace unroll::graph::detail {

using Numbers = std::array<Index, Shape::max_rank>;

Numbers first_of(const Source& run);
Numbers stride_of(const Source& run);
void set(Source& run, const Numbers& first, const Numbers& stride);
bool alike(const Source& run, const Source& point);

Numbers first_of(const Result& run);
Numbers stride_of(const Result& run);
void set(Result& run, const Numbers& first, const Numbers& stride);
bool alike(const Result& run, const Result& point);

Numbers first_of(const Progress& run);
Numbers stride_of(const Progress& run);
void set(Progress& run, const Numbers& first, const Numbers& stride);
bool alike(const Progress& run, const Progress& point);

// The i-th of a run, as a run of one.
template <class Run>
Run element(const Run& run, Index i) {
  Run one = run;
  one.begin = run.begin + i;
  one.count = 1;
  Numbers first = first_of(run);
  const Numbers stride = stride_of(run);
  for (std::size_t k = 0; k < first.size(); ++k) first[k] += i * stride[k];
  set(one, first, {});
  return one;
}

template <class Run>
bool extend(Run& run, const Run& next) {
  if (run.begin + run.count != next.begin || !alike(run, next)) return false;
  const Numbers first = first_of(run);
  const Numbers numbers = first_of(next);
  Numbers stride = stride_of(run);
  for (std::size_t k = 0; k < first.size(); ++k) {
    if (run.count == 1) stride[k] = numbers[k] - first[k];
    if (first[k] + run.count * stride[k] != numbers[k]) return false;
  }
  if (run.count == 1) set(run, first, stride);
  ++run.count;
  return true;
}

// Appends a run of one. A stride that two elements alone suggest is dropped where the third
// contradicts it.
template <class Run>
void append(std::vector<Run>& runs, Run next) {
  if (!runs.empty()) {
    Run& last = runs.back();
    if (extend(last, next)) return;
    if (last.count == 2 && stride_of(last) != Numbers{}) {
      Run second = element(last, 1);
      if (extend(second, next)) {
        last = element(last, 0);
        runs.push_back(std::move(second));
        return;
      }
    }
  }
  runs.push_back(std::move(next));
}

}  // namespace unroll::graph::detail
