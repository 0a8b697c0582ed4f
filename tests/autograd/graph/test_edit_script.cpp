// The shortest edit of one sequence of letters into another, against dynamic programming.
#include <unroll/autograd/graph/detail/edit_script.h>
#include <unroll/autograd/graph/detail/interner.h>

#include <map>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace unroll::test {
namespace {

using Letters = std::vector<std::uint32_t>;

// Length of the longest common subsequence.
Index longest_common(const Letters& a, const Letters& b) {
  std::vector<Index> row(b.size() + 1, 0);
  for (const std::uint32_t letter : a) {
    Index corner = 0;
    for (std::size_t y = 0; y < b.size(); ++y) {
      const Index above = row[y + 1];
      row[y + 1] = letter == b[y] ? corner + 1 : std::max(above, row[y]);
      corner = above;
    }
  }
  return row.back();
}

// How many letters stay; fails where the script is none.
Index kept(const Letters& a, const Letters& b, const graph::detail::EditOptions& options = {}) {
  const std::vector<Index> script = graph::detail::edit_script(a, b, options);
  BOOST_REQUIRE_EQUAL(script.size(), a.size());
  Index last = -1, count = 0;
  for (std::size_t x = 0; x < a.size(); ++x) {
    if (script[x] < 0) continue;
    BOOST_REQUIRE_GT(script[x], last);
    BOOST_REQUIRE_LT(script[x], static_cast<Index>(b.size()));
    last = script[x];
    BOOST_REQUIRE_EQUAL(a[x], b[static_cast<std::size_t>(last)]);
    ++count;
  }
  return count;
}

Letters random_letters(std::mt19937_64& random, std::size_t most, std::uint32_t alphabet) {
  Letters letters(random() % (most + 1));
  for (std::uint32_t& letter : letters) letter = static_cast<std::uint32_t>(random() % alphabet);
  return letters;
}

// So many letters deleted, replaced or inserted.
Letters edited(Letters letters, std::mt19937_64& random, int edits, std::uint32_t alphabet) {
  for (; edits > 0; --edits) {
    const auto place = static_cast<std::ptrdiff_t>(random() % (letters.size() + 1));
    const auto letter = static_cast<std::uint32_t>(random() % alphabet);
    if (random() % 2 == 0 || place == static_cast<std::ptrdiff_t>(letters.size()))
      letters.insert(letters.begin() + place, letter);
    else
      letters.erase(letters.begin() + place);
  }
  return letters;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(edit_script)

BOOST_AUTO_TEST_CASE(is_the_shortest) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 4000; ++round) {
    const auto alphabet = static_cast<std::uint32_t>(1 + random() % 6);
    const Letters a = random_letters(random, 24, alphabet);
    const Letters b = round % 2 == 0 ? random_letters(random, 24, alphabet)
                                     : edited(a, random, static_cast<int>(random() % 8), alphabet);
    BOOST_TEST(kept(a, b) == longest_common(a, b));
  }
}

BOOST_AUTO_TEST_CASE(is_an_edit_where_the_shortest_is_too_long_to_look_for) {
  std::mt19937_64 random(2);
  Index all = 0, best = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto alphabet = static_cast<std::uint32_t>(1 + random() % 60);
    const Letters a = random_letters(random, 60, alphabet);
    const Letters b = edited(a, random, static_cast<int>(random() % 30), alphabet);
    const Index longest = static_cast<Index>(random() % 6),
                chunk = static_cast<Index>(1 + random() % 6);
    all += kept(a, b, {.longest = longest, .chunk = chunk});
    best += longest_common(a, b);
  }
  BOOST_TEST(all * 10 > best * 9);  // and not far from the shortest
}

// A block of its own in the middle of letters that are there once: anchors keep all the others.
BOOST_AUTO_TEST_CASE(a_long_insertion_keeps_what_was_there) {
  Letters a(20'000), b;
  for (std::uint32_t i = 0; i < a.size(); ++i) a[i] = i;
  b.assign(a.begin(), a.begin() + 10'000);
  b.erase(b.begin() + 77);
  for (std::uint32_t i = 0; i < 10'000; ++i) b.push_back(1'000'000 + i % 100);
  b.insert(b.end(), a.begin() + 10'000, a.end());
  b.erase(b.end() - 77);
  BOOST_TEST(kept(a, b) == 19'998);
  BOOST_TEST(kept(b, a) == 19'998);
}

BOOST_AUTO_TEST_CASE(nothing_at_all) {
  BOOST_TEST(kept({}, {}) == 0);
  BOOST_TEST(kept({1, 2}, {}) == 0);
  BOOST_TEST(kept({}, {1, 2}) == 0);
  BOOST_TEST(kept({1, 2}, {3}) == 0);
}

// Numbers of the same sequences are the same, of others others, whatever the hash does.
BOOST_AUTO_TEST_CASE(numbers_of_sequences) {
  std::mt19937_64 random(3);
  graph::detail::Interner intern;
  std::map<Letters, std::uint32_t> expected;
  for (int round = 0; round < 50'000; ++round) {
    const Letters key = random_letters(random, 6, 5);
    const auto [found, is_new] =
        expected.try_emplace(key, static_cast<std::uint32_t>(expected.size()));
    BOOST_REQUIRE_EQUAL(intern(key), found->second);
  }
  BOOST_TEST(intern.size() == expected.size());
  for (const auto& [key, number] : expected) {
    const auto kept_key = intern.key(number);
    BOOST_REQUIRE(Letters(kept_key.begin(), kept_key.end()) == key);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
