// Repetitions in a sequence of letters, against what trying everything finds.
#include <unroll/autograd/graph/detail/repeats.h>
#include <unroll/autograd/rng.h>

#include <algorithm>
#include <set>
#include <tuple>

#include <boost/test/unit_test.hpp>

namespace unroll::test {
namespace {

using graph::detail::Repeat;
using graph::detail::Repetition;
using Letters = std::vector<Index>;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::vector<Repetition> every_repetition(const Letters& s) {
  const Index n = std::ssize(s);
  std::vector<Repetition> found;
  for (Index period = 1; 3 * period <= n; ++period)
    for (Index begin = 0; begin + 3 * period <= n; ++begin) {
      if (begin > 0 && s[at(begin - 1)] == s[at(begin - 1 + period)]) continue;
      Index end = begin + period;
      while (end < n && s[at(end)] == s[at(end - period)]) ++end;
      const bool least = std::none_of(found.begin(), found.end(), [&](const Repetition& r) {
        return r.begin == begin && r.end == end && period % r.period == 0;
      });
      if (end - begin >= 3 * period && least)
        found.push_back({.begin = begin, .end = end, .period = period});
    }
  std::sort(found.begin(), found.end(), [](const Repetition& a, const Repetition& b) {
    return std::tuple(a.begin, a.period) < std::tuple(b.begin, b.period);
  });
  return found;
}

// The most letters that repeats written once can save.
Index most_saved(const Letters& s) {
  const Index n = std::ssize(s);
  std::vector<Index> best(at(n + 1));
  for (Index i = 1; i <= n; ++i) {
    best[at(i)] = best[at(i - 1)];
    for (Index period = 1; 3 * period <= i; ++period) {
      Index count = 1;
      for (Index begin = i - period; begin - period >= 0; begin -= period) {
        if (!std::equal(s.begin() + begin, s.begin() + begin + period, s.begin() + begin - period))
          break;
        ++count;
        if (count >= 3)
          best[at(i)] = std::max(best[at(i)], best[at(begin - period)] + (count - 1) * period);
      }
    }
  }
  return best[at(n)];
}

void check(const Letters& s) {
  const std::vector<Repetition> expected = every_repetition(s);
  const std::vector<Repetition> found = graph::detail::repetitions(s);
  BOOST_TEST_REQUIRE(found.size() == expected.size());
  BOOST_TEST_REQUIRE((found == expected));

  Index saved = 0;
  Index before = 0;
  const std::vector<Repeat> chosen = graph::detail::repeats(s);
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    const Repeat& r = chosen[k];
    BOOST_TEST_REQUIRE(r.begin >= before);
    BOOST_TEST_REQUIRE(r.count >= 3);
    const Index limit = k + 1 < chosen.size() ? chosen[k + 1].begin : std::ssize(s);
    BOOST_TEST_REQUIRE(r.end() + r.slack <= limit);
    BOOST_TEST_REQUIRE(r.slack < r.period);
    for (Index i = r.begin + r.period; i < r.end() + r.slack; ++i)
      BOOST_TEST_REQUIRE(s[at(i)] == s[at(i - r.period)]);
    before = r.end();
    saved += (r.count - 1) * r.period;
  }
  BOOST_TEST_REQUIRE(saved == most_saved(s));
}

Letters letters_of(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(repeats)

BOOST_AUTO_TEST_CASE(small_words) {
  for (const std::string text :
       {"", "a", "aaa", "aaaa", "abababa", "aabaabaab", "xxxyxxxyxxxy", "xabcabcabcy",
        "aaabbbaaabbbaaabbb", "abaababaabaab", "mississippi"})
    check(letters_of(text));
}

// All words of three letters up to a length.
BOOST_AUTO_TEST_CASE(all_short_words) {
  for (Index length = 1; length <= 9; ++length) {
    Letters word(at(length), 0);
    for (bool more = true; more;) {
      check(word);
      more = false;
      for (Index& letter : word) {
        letter = (letter + 1) % 3;
        if (letter != 0) {
          more = true;
          break;
        }
      }
    }
  }
}

// Loops in loops with mistakes in them, which random letters seldom have.
BOOST_AUTO_TEST_CASE(random_words) {
  Rng rng(12);
  for (int round = 0; round < 1500; ++round) {
    const Index alphabet = 1 + rng.below(4);
    Letters word;
    while (std::ssize(word) < 120) {
      const Index kind = rng.below(4);
      if (kind == 0 || word.empty()) {
        word.push_back(rng.below(alphabet));
        continue;
      }
      // Some of the end again, several times.
      const Index length = 1 + rng.below(std::min<Index>(std::ssize(word), kind == 1 ? 4 : 25));
      const Letters part(word.end() - length, word.end());
      for (Index times = 1 + rng.below(5); times > 0 && std::ssize(word) < 250; --times)
        word.insert(word.end(), part.begin(), part.end());
      if (rng.below(6) == 0) word[at(rng.below(std::ssize(word)))] = rng.below(alphabet);
    }
    check(word);
  }
}

// Words without a cube, and with as many squares as there can be.
BOOST_AUTO_TEST_CASE(thue_morse_and_fibonacci_words) {
  Letters thue_morse{0};
  while (thue_morse.size() < 4096) {
    const std::size_t half = thue_morse.size();
    for (std::size_t i = 0; i < half; ++i) thue_morse.push_back(1 - thue_morse[i]);
  }
  BOOST_TEST(graph::detail::repetitions(thue_morse).empty());
  BOOST_TEST(graph::detail::repeats(thue_morse).empty());
  Letters a{0};
  Letters b{0, 1};
  while (b.size() < 400) {
    Letters next = b;
    next.insert(next.end(), a.begin(), a.end());
    a = std::move(b);
    b = std::move(next);
  }
  check(b);
}

// One long loop is found whole, whatever stands before and behind.
BOOST_AUTO_TEST_CASE(a_long_loop) {
  Letters word{7, 8};
  for (Index t = 0; t < 50'000; ++t)
    for (Index k = 0; k < 10; ++k) word.push_back(k % 7);
  word.push_back(9);
  const std::vector<Repeat> chosen = graph::detail::repeats(word);
  BOOST_TEST_REQUIRE(chosen.size() == 1U);
  BOOST_TEST(chosen[0].begin == 2);
  BOOST_TEST(chosen[0].period == 10);
  BOOST_TEST(chosen[0].count == 50'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
