#include <unroll/autograd/graph/detail/common_extension.h>

#include <algorithm>

namespace unroll::graph::detail {
namespace {

constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;
constexpr std::uint64_t base = 0x0b5e55ed5eedfaceULL % prime;
constexpr Index near = 16;  // letters that are compared one by one
constexpr std::size_t remembered = 1024;

std::uint64_t reduced(std::uint64_t x) {
  x = (x & prime) + (x >> 61);
  return x >= prime ? x - prime : x;
}

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide wide = static_cast<Wide>(a) * b;
  return reduced((static_cast<std::uint64_t>(wide) & prime) +
                 static_cast<std::uint64_t>(wide >> 61));
}

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// The greatest number of at most `most` letters for which `fits`, which fewer do as well.
template <class Fits>
Index greatest(Index most, Fits fits) {
  Index low = 0;
  Index step = near;
  while (low + step <= most && fits(low + step)) {
    low += step;
    step *= 2;
  }
  Index high = std::min(most + 1, low + step);  // does not fit
  while (high - low > 1) {
    const Index middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

CommonExtension::CommonExtension(std::span<const Index> letters)
    : letters_(letters),
      prefixes_(letters.size() + 1),
      powers_(letters.size() + 1, 1),
      known_(remembered) {
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const std::uint64_t letter = reduced(static_cast<std::uint64_t>(letters[i]) + 1);
    prefixes_[i + 1] = reduced(product(prefixes_[i], base) + letter);
    powers_[i + 1] = product(powers_[i], base);
  }
}

std::uint64_t CommonExtension::hash(Index begin, Index end) const {
  const std::uint64_t before = product(prefixes_[at(begin)], powers_[at(end - begin)]);
  return reduced(prefixes_[at(end)] + prime - before);
}

Index CommonExtension::searched(Index a, Index b) const {
  return greatest(size() - b, [&](Index letters) { return same(a, b, letters); });
}

Index CommonExtension::right(Index a, Index b) {
  const Index n = size();
  Known& known = known_[at(b - a) % remembered];
  const bool helps = known.distance == b - a && a <= known.end;
  if (helps && a >= known.begin) return known.end - a;
  for (Index k = 0; k < near; ++k) {
    if (b + k == n || letters_[at(a + k)] != letters_[at(b + k)]) return k;
    if (helps && a + k + 1 == known.begin) {
      known.begin = a;
      return known.end - a;
    }
  }
  const Index found = searched(a, b);
  known = {.distance = b - a, .begin = a, .end = a + found};
  return found;
}

Index CommonExtension::left(Index a, Index b) const {
  Index letters = 0;
  while (letters < std::min(near, a) &&
         letters_[at(a - 1 - letters)] == letters_[at(b - 1 - letters)])
    ++letters;
  if (letters < near || letters == a) return letters;
  return greatest(a, [&](Index k) { return same(a - k, b - k, k); });
}

}  // namespace unroll::graph::detail
