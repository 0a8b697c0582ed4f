#pragma once

#include <unroll/autograd/detail/observer.h>
#include <unroll/autograd/graph/snapshot.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace unroll::detail {

graph::Statistics statistics_of(const Tensor& x);

// Numbers by node or by value; none where nothing was put.
class OptionalNumbers {
 public:
  std::optional<double> at(std::size_t i) const {
    if (i >= numbers_.size() || numbers_[i] < 0) return {};
    return numbers_[i];
  }
  void put(std::size_t i, double number) { room(i) = number; }
  void add(std::size_t i, double number) { room(i) = std::max(room(i), 0.0) + number; }
  void take_back(std::size_t count) noexcept {
    if (numbers_.size() > count) numbers_.resize(count);
  }
  void clear() { numbers_.clear(); }

 private:
  double& room(std::size_t i) {
    if (i >= numbers_.size()) numbers_.resize(i + 1, -1.0);
    return numbers_[i];
  }
  std::vector<double> numbers_;  // < 0: none
};

// What a tape notes under Tape({.statistics = true, .timings = true}) as it records.
class Measurements final : public Observer {
 public:
  using Clock = std::chrono::steady_clock;

  Measurements(bool with_statistics, bool with_timings)
      : statistics_(with_statistics), timings_(with_timings), last_(Clock::now()) {}

  void recorded(Recording& tape, std::span<Header* const> operands,
                std::span<Header* const> results) override;
  void entered(std::uint32_t value, const Tensor& x);  // a leaf

  bool timings() const { return timings_; }
  // Of the derivative of a node: the time since it began, or a share of that.
  void add_backward(std::size_t node, Clock::time_point began, double share = 1) {
    backward_seconds.add(node, share * std::chrono::duration<double>(Clock::now() - began).count());
  }
  void begin_pass() { backward_seconds.clear(); }
  void end_pass() { last_ = Clock::now(); }
  void take_back(std::size_t nodes, std::size_t values) noexcept;

  std::vector<std::optional<graph::Statistics>> statistics;  // by value; may be shorter
  OptionalNumbers seconds;                                   // by node
  OptionalNumbers backward_seconds;

 private:
  bool statistics_;
  bool timings_;
  Clock::time_point last_;  // when what is being recorded began: the end of what was before it
};

}  // namespace unroll::detail
