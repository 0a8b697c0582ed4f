#include <unroll/autograd/error.h>
#include <unroll/autograd/rng.h>

namespace unroll {

namespace detail {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low,
                                    std::uint64_t counter_high) {
  constexpr std::uint64_t multiplier0 = 0xD2511F53U;
  constexpr std::uint64_t multiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t weyl0 = 0x9E3779B9U;
  constexpr std::uint32_t weyl1 = 0xBB67AE85U;
  auto c0 = static_cast<std::uint32_t>(counter_low);
  auto c1 = static_cast<std::uint32_t>(counter_low >> 32);
  auto c2 = static_cast<std::uint32_t>(counter_high);
  auto c3 = static_cast<std::uint32_t>(counter_high >> 32);
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = multiplier0 * c0;
    const std::uint64_t p1 = multiplier1 * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += weyl0;
    k1 += weyl1;
  }
  return {c0, c1, c2, c3};
}

std::uint64_t random_bits(const Rng& stream, std::uint64_t index) {
  const auto r = philox(stream.key, index, stream.counter);
  return (std::uint64_t{r[1]} << 32) | r[0];
}

double to_unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace detail

namespace {

// Numbers of next() live where no bulk draw of a stream reaches.
constexpr std::uint64_t single_draw = ~std::uint64_t{0};

}  // namespace

Rng::Rng(std::uint64_t seed) : key(seed) {
  const auto mixed = detail::philox(0x756e726f6c6cU, seed, 0);
  key = (std::uint64_t{mixed[1]} << 32) | mixed[0];
}

std::uint64_t Rng::next() {
  const std::uint64_t bits = detail::random_bits(*this, single_draw);
  ++counter;
  return bits;
}

double Rng::uniform() { return detail::to_unit(next()); }

Index Rng::below(Index count) {
  if (count <= 0)
    fail("rng",
         {.given = "below(" + std::to_string(count) + ")", .needed = "a count > 0", .hint = {}});
  const auto n = static_cast<std::uint64_t>(count);
  const std::uint64_t limit =
      ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;  // rejects what would favour small ones
  std::uint64_t bits = next();
  while (bits > limit) bits = next();
  return static_cast<Index>(bits % n);
}

Rng Rng::split(std::string_view name) const {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  const auto mixed = detail::philox(key, hash, counter);
  Rng child;
  child.key = (std::uint64_t{mixed[1]} << 32) | mixed[0];
  return child;
}

namespace {
Rng& thread_rng() {
  thread_local Rng rng(0);
  return rng;
}
}  // namespace

Rng& default_rng() { return thread_rng(); }

void seed(std::uint64_t value) { thread_rng() = Rng(value); }

}  // namespace unroll
