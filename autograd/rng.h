#pragma once

#include <unroll/autograd/index.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace unroll {

// A stream of random numbers as a value of 16 bytes: copy it, save it, split it. Counter-based:
// number n of a stream is a function of (key, n), so any part can be made by any thread.
// Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct Rng {
  std::uint64_t key = 0;
  std::uint64_t counter = 0;

  Rng() = default;
  explicit Rng(std::uint64_t seed);

  // The next 64 bits.
  std::uint64_t next();
  // The next number, evenly spread over [0, 1).
  double uniform();
  // The next whole number, evenly spread over 0 … count - 1.
  Index below(Index count);
  // A stream of its own; the same for the same name and state. Leaves this one as it is.
  Rng split(std::string_view name) const;

  friend bool operator==(const Rng&, const Rng&) = default;
};

// This thread's stream: creation, initialisation and dropout use it. Starts from a fixed seed.
Rng& default_rng();
// Starts this thread's stream anew.
void seed(std::uint64_t value);

namespace detail {

// Four 32-bit numbers for one counter.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low,
                                    std::uint64_t counter_high);

// The bits of element `index` of the stream, which draws nothing from it. What fills tensors.
std::uint64_t random_bits(const Rng& stream, std::uint64_t index);
double to_unit(std::uint64_t bits);  // [0, 1), 53 bits

}  // namespace detail
}  // namespace unroll
