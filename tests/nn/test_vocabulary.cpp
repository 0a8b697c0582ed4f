#include <unroll/autograd/compare.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/text.h>

#include <algorithm>
#include <random>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "support/error_text.h"

using namespace unroll;
using namespace unroll::test;

namespace {

std::string every_byte() {
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  return all;
}

std::string random_bytes(std::mt19937& random, std::size_t size, const std::vector<int>& among) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(among[random() % among.size()]);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vocabulary)

BOOST_AUTO_TEST_CASE(characters_are_code_points_in_their_order) {
  const auto v = nn::Vocabulary::of(
      "z\xC3\xA9"
      "a\xE4\xB8\xAD\xF0\x9F\x98\x80"
      "az\xFF\n");
  const std::vector<std::string> expected = {
      "\n", "a", "z", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "\xFF"};
  BOOST_TEST(v.symbols() == expected, boost::test_tools::per_element());
  BOOST_TEST(v.size() == 7);
  const Tensor ids = v.encode("a\xE4\xB8\xAD\xFFz");
  BOOST_TEST(all_equal(ids, tensor({1, 4, 6, 2})));
  BOOST_TEST(v.decode(ids) == "a\xE4\xB8\xAD\xFFz");
}

BOOST_AUTO_TEST_CASE(decodes_ids_of_any_shape) {
  const auto v = nn::Vocabulary::of("abcdef");
  BOOST_TEST(v.decode(tensor({{0, 1, 2}, {3, 4, 5}})) == "abcdef");
  BOOST_TEST(v.decode(transpose(tensor({{0, 1, 2}, {3, 4, 5}}), 0, 1)) == "adbecf");
  BOOST_TEST(v.decode(reshape(tensor({2}), {})) == "c");
  BOOST_TEST(v.encode("").shape() == Shape({0}));
  BOOST_TEST(v.decode(v.encode("")).empty());
}

BOOST_AUTO_TEST_CASE(limits_of_utf8) {
  // The first and last characters of each length, and of the gap that surrogates leave.
  for (const std::string valid :
       {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    BOOST_TEST(nn::Vocabulary::of(valid).size() == 1,
               nlohmann::json::binary({valid.begin(), valid.end()}).dump());
  // Every byte of these is a symbol of its own.
  const std::vector<std::string> invalid = {"\x80",
                                            "\xBF",
                                            "\xC0\x80",
                                            "\xC1\xBF",
                                            "\xC3",
                                            "\xE0\x9F\xBF",
                                            "\xED\xA0\x80",
                                            "\xE4\xB8",
                                            "\xF0\x8F\xBF\xBF",
                                            "\xF4\x90\x80\x80",
                                            "\xF5\x81\x82\x83",
                                            "\xF0\x9F\x98",
                                            "\xFE\xFF"};
  for (const std::string& bytes : invalid) {
    std::string distinct = bytes;
    std::ranges::sort(distinct);
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    BOOST_TEST(nn::Vocabulary::of(bytes).size() == std::ssize(distinct));
  }
}

BOOST_AUTO_TEST_CASE(agrees_with_another_decoder_on_what_is_valid) {
  std::mt19937 random(5);
  const std::vector<int> awkward = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                    0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0,
                                    0xF1, 0xF3, 0xF4, 0xF5, 0xFF, 0x41, 0x85, 0xB5};
  int valid = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string bytes = random_bytes(random, 1 + random() % 4, awkward);
    bool accepted = true;
    try {
      static_cast<void>(nlohmann::json(bytes).dump());
    } catch (const nlohmann::json::exception&) {
      accepted = false;
    }
    const auto symbols = nn::Vocabulary::of(bytes).symbols();
    const bool ours = std::ranges::none_of(
        symbols, [](const std::string& s) { return s.size() == 1 && (s[0] & 0x80) != 0; });
    if (ours != accepted)
      BOOST_TEST(ours == accepted,
                 "on " << nlohmann::json::binary({bytes.begin(), bytes.end()}).dump());
    valid += accepted ? 1 : 0;
  }
  BOOST_TEST(valid > 1000);
}

BOOST_AUTO_TEST_CASE(any_bytes_come_back) {
  const auto whole = nn::Text::of(every_byte());
  BOOST_TEST(whole.vocabulary().size() == 256);
  BOOST_TEST(whole.decode(whole.ids()) == every_byte());

  std::mt19937 random(9);
  std::vector<int> all(256);
  for (int b = 0; b < 256; ++b) all[static_cast<std::size_t>(b)] = b;
  const std::vector<int> pieces = {0x41, 0xC3, 0xA9, 0xE4, 0xB8, 0xAD, 0xF0, 0x9F,
                                   0x98, 0x80, 0x00, 0x0D, 0x0A, 0xEF, 0xBB, 0xBF};
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = random_bytes(random, 1 + random() % 60, i % 2 == 0 ? all : pieces);
    const auto text = nn::Text::of(bytes);
    if (text.decode(text.ids()) != bytes || text.decode(text.encode(bytes)) != bytes)
      BOOST_TEST(false, nlohmann::json::binary({bytes.begin(), bytes.end()}).dump());
    const auto written = text.vocabulary().escaped();
    if (nn::Vocabulary::from_escaped(written) != text.vocabulary() ||
        nn::Vocabulary::from_symbols(text.vocabulary().symbols()) != text.vocabulary())
      BOOST_TEST(false, written);
  }
}

BOOST_AUTO_TEST_CASE(symbols_keep_the_numbers_they_are_given) {
  const auto v = nn::Vocabulary::from_symbols({"b", "\xF0\x9F\x98\x80", "a", "\xC3\xA9", "\x80"});
  BOOST_TEST(all_equal(v.encode("ab\xC3\xA9\x80\xF0\x9F\x98\x80"), tensor({2, 0, 3, 4, 1})));
  BOOST_TEST(v.escaped() ==
             "b\xF0\x9F\x98\x80"
             "a\xC3\xA9\\x80");
  BOOST_TEST((nn::Vocabulary::from_escaped(v.escaped()) == v));
  BOOST_TEST(nn::Vocabulary::of("\\x").escaped() == "\\\\x");
}

BOOST_AUTO_TEST_CASE(escaped_is_utf8_whatever_is_in_it) {
  const auto v = nn::Vocabulary::of(every_byte());
  BOOST_CHECK_NO_THROW(static_cast<void>(nlohmann::json(v.escaped()).dump()));
  BOOST_TEST((nn::Vocabulary::from_escaped(v.escaped()) == v));
}

BOOST_AUTO_TEST_CASE(says_what_is_wrong) {
  const auto v = nn::Vocabulary::of("abc");
  BOOST_TEST(error_text([&] { v.encode("ab\xC3\xA9"); }) ==
             "[encode] character \"\xC3\xA9\" at byte 2 is not among the 3 of this vocabulary; "
             "needed characters of the text that it was "
             "made from; hint: nn::Vocabulary::of(text) makes one that has them all");
  BOOST_TEST(error_text([&] {
               v.encode("\n");
             }).starts_with("[encode] character \"\\x0a\" at byte 0 is not among"));
  BOOST_TEST(error_text([&] {
               v.encode("a\xFF");
             }).starts_with("[encode] character \"\\xff\" at byte 1 is not among"));
  BOOST_TEST(error_text([&] {
               v.decode(tensor({0, 3}));
             }) ==
             "[decode] id 3; needed 0 … 2, the ids of this vocabulary; hint: is the vocabulary of "
             "the text that of the model?");
  BOOST_TEST(
      error_text([&] { v.decode(tensor({-1})); }).starts_with("[decode] id -1; needed 0 … 2"));
  BOOST_TEST(
      error_text([&] { v.decode(tensor({1.0})); }).starts_with("[decode] ids f32 [1]; needed i64"));
  BOOST_TEST(error_text([&] { v.decode(Tensor()); }).starts_with("[decode] ids is undefined"));
  BOOST_TEST(error_text([] {
               nn::Vocabulary::from_symbols({"a", "bc"});
             }) == "[vocabulary] symbol 1 is \"bc\"; needed one character");
  BOOST_TEST(error_text([] { nn::Vocabulary::from_symbols({""}); }) ==
             "[vocabulary] symbol 0 is \"\"; needed one character");
  BOOST_TEST(error_text([] {
               nn::Vocabulary::from_symbols({"x", "y", "x"});
             }) == "[vocabulary] symbol \"x\" has the numbers 0 and 2; needed every symbol once");
  for (const char* wrong : {"a\\", "a\\x", "a\\x8", "a\\q80", "a\\x41", "a\\xFF"})
    BOOST_TEST(error_text([&] {
                 nn::Vocabulary::from_escaped(wrong);
               }).starts_with("[vocabulary] escape "),
               wrong);
}

BOOST_AUTO_TEST_SUITE_END()
