#include <unroll/autograd/compare.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/text.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <support/error_text.h>
#include <support/temporary_folder.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Column b of a window as text.
std::string column(const nn::Text& text, const Tensor& ids, Index b) {
  return text.decode(select(ids, 1, b));
}

std::string letters(Index count) {
  std::string text;
  for (Index i = 0; i < count; ++i) text += static_cast<char>('a' + (i * i + i / 7) % 23);
  return text;
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

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(reads_files_as_they_are) {
  const TemporaryFolder folder;
  const std::string bytes = std::string(
      "\xEF\xBB\xBF"
      "a\r\nb\0c\r\n\xFF",
      12);
  write_file(folder / "odd.txt", bytes);
  const auto text = nn::Text::read(folder / "odd.txt");
  BOOST_TEST(text.decode(text.ids()) == bytes);
  BOOST_TEST(text.size() == 10);
  BOOST_TEST(text.vocabulary().size() == 8);
  BOOST_TEST(text[1] == text.encode("a").item<Index>());

  write_file(folder / "one.txt", "x");
  BOOST_TEST(nn::Text::read(folder / "one.txt").size() == 1);
  BOOST_TEST(nn::Text::read(folder / "one.txt", nn::Vocabulary::of("wxyz"))[0] == 1);
  BOOST_TEST(error_text([&] {
               nn::Text::read(folder / "one.txt", nn::Vocabulary::of("abc"));
             }).starts_with("[encode] character \"x\""));
}

BOOST_AUTO_TEST_CASE(reads_pipes) {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  const std::string bytes = letters(5000);
  BOOST_REQUIRE(::write(ends[1], bytes.data(), bytes.size()) == std::ssize(bytes));
  ::close(ends[1]);
  const auto text = nn::Text::read("/dev/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  BOOST_TEST(text.decode(text.ids()) == bytes);
}

BOOST_AUTO_TEST_CASE(says_what_cannot_be_read) {
  const TemporaryFolder folder;
  write_file(folder / "empty.txt", "");
  BOOST_TEST(error_text([&] { nn::Text::read(folder / "empty.txt"); }) ==
             "[text] \"" + folder / "empty.txt" + "\" is empty; needed at least one character");
  BOOST_TEST(error_text([&] { nn::Text::read(folder / "none.txt"); }) ==
             "[text] \"" + folder / "none.txt" +
                 "\": No such file or directory (open); needed a file that can be read");
  BOOST_TEST(error_text([&] { nn::Text::read(folder.path()); }) ==
             "[text] \"" + folder.path() +
                 "\": Is a directory (open); needed a file that can be read");
  BOOST_TEST(error_text([&] { nn::Text::read("/dev/null"); }) ==
             "[text] \"/dev/null\" is no regular file; needed a file that can be read");
  BOOST_TEST(error_text([&] {
               nn::Text::read(std::string("a\0b", 3));
             }).starts_with("[text] \"a\\x00b\": Invalid argument"));
  BOOST_TEST(error_text([] { nn::Text::of(""); }) ==
             "[text] an empty text; needed at least one character");
  if (::geteuid() != 0) {  // root reads everything
    write_file(folder / "closed.txt", "x");
    std::filesystem::permissions(folder / "closed.txt", std::filesystem::perms::none);
    BOOST_TEST(error_text([&] {
                 nn::Text::read(folder / "closed.txt");
               }).find("Permission denied (open)") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(many_symbols) {
  std::string text;
  for (int i = 0; i < 3000; ++i) {  // U+4E00 …: more symbols than a byte counts
    const int code = 0x4E00 + (i * 7) % 1000;
    for (const int byte : {0xE0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)})
      text += static_cast<char>(byte);
  }
  const auto t = nn::Text::of(text);
  BOOST_TEST(t.vocabulary().size() == 1000);
  BOOST_TEST(t.size() == 3000);
  BOOST_TEST(t.decode(t.ids()) == text);
  BOOST_TEST(t.ids().span<Index>()[999] == 7 * 999 % 1000);
  auto windows = t.windows({.batch = 2, .steps = 100});
  BOOST_TEST(column(t, windows.next()->inputs, 0) == text.substr(0, 300));
}

BOOST_AUTO_TEST_CASE(splits_with_one_vocabulary) {
  const auto whole = nn::Text::of("aaaaaaaaab");
  const auto parts = whole.split(0.9);
  const nn::Text& train = parts.train;
  const nn::Text& valid = parts.valid;
  BOOST_TEST(train.decode(train.ids()) == "aaaaaaaaa");
  BOOST_TEST(valid.decode(valid.ids()) == "b");
  BOOST_TEST((train.vocabulary() == whole.vocabulary()));
  BOOST_TEST(&train.vocabulary() == &valid.vocabulary());
  const auto again = train.split(0.5);
  BOOST_TEST(again.train.size() == 4);
  BOOST_TEST(again.valid.size() == 5);
  BOOST_TEST(error_text([&] {
               valid.windows({.batch = 1, .steps = 1});
             }).starts_with("[windows] a text of 1 characters"));
  for (const double wrong : {0.0, 1.0, -0.5, 1.5, std::nan("")})
    BOOST_TEST(error_text([&] {
                 whole.split(wrong);
               }).find("needed a fraction between 0 and 1; hint: text.split(0.9)") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(shakespeare) {
  const char* folder = std::getenv("UNROLL_DATA");
  if (folder == nullptr ||
      !std::filesystem::exists(std::string(folder) + "/tinyshakespeare/input.txt")) {
    BOOST_TEST_MESSAGE("skipped: no data");
    return;
  }
  const auto text = nn::Text::read(std::string(folder) + "/tinyshakespeare/input.txt");
  BOOST_TEST(text.size() == 1'115'394);
  BOOST_TEST(text.vocabulary().size() == 65);
  BOOST_TEST(text.decode(text.ids()) ==
             read_file(std::string(folder) + "/tinyshakespeare/input.txt"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(windows)

BOOST_AUTO_TEST_CASE(rows_are_parts_that_go_on) {
  const std::string source = letters(1003);
  const auto text = nn::Text::of(source);
  for (const nn::WindowOptions options :
       {nn::WindowOptions{.batch = 1, .steps = 10}, nn::WindowOptions{.batch = 4, .steps = 7},
        nn::WindowOptions{.batch = 13, .steps = 1}, nn::WindowOptions{.batch = 1002, .steps = 1},
        nn::WindowOptions{.batch = 1, .steps = 1002}, nn::WindowOptions{.batch = 3, .steps = 64}}) {
    auto windows = text.windows(options);
    const auto batch = static_cast<std::size_t>(options.batch);
    std::vector<std::string> inputs(batch);
    std::vector<std::string> targets(batch);
    Index count = 0;
    while (const auto window = windows.next()) {
      BOOST_TEST(window->inputs.shape() == Shape({options.steps, options.batch}));
      BOOST_TEST(window->targets.shape() == Shape({options.steps, options.batch}));
      for (std::size_t b = 0; b < batch; ++b) {
        inputs[b] += column(text, window->inputs, static_cast<Index>(b));
        targets[b] += column(text, window->targets, static_cast<Index>(b));
      }
      ++count;
    }
    const std::size_t part = (source.size() - 1) / batch;
    BOOST_TEST(count == windows.size());
    BOOST_TEST(count == static_cast<Index>(part) / options.steps);
    const auto read = static_cast<std::size_t>(count * options.steps);
    for (std::size_t b = 0; b < batch; ++b) {
      BOOST_TEST(inputs[b] == source.substr(b * part, read));
      BOOST_TEST(targets[b] == source.substr(b * part + 1, read));
    }
    BOOST_TEST(part - read < static_cast<std::size_t>(options.steps));
    BOOST_TEST(!windows.next().has_value());
  }
}

BOOST_AUTO_TEST_CASE(stride_overlaps) {
  const std::string source = letters(50);
  const auto text = nn::Text::of(source);
  auto windows = text.windows({.batch = 2, .steps = 8, .stride = 3});
  BOOST_TEST(windows.size() == (24 - 8) / 3 + 1);
  for (std::size_t i = 0; const auto window = windows.next(); ++i) {
    BOOST_TEST(column(text, window->inputs, 0) == source.substr(3 * i, 8));
    BOOST_TEST(column(text, window->inputs, 1) == source.substr(24 + 3 * i, 8));
    BOOST_TEST(column(text, window->targets, 1) == source.substr(25 + 3 * i, 8));
  }
}

BOOST_AUTO_TEST_CASE(position_can_be_kept) {
  const auto text = nn::Text::of(letters(100));
  auto windows = text.windows({.batch = 3, .steps = 5});
  windows.next();
  windows.next();
  BOOST_TEST(windows.position() == 2);
  auto other = text.windows({.batch = 3, .steps = 5});
  other.set_position(windows.position());
  while (const auto a = windows.next()) BOOST_TEST(all_equal(a->inputs, other.next()->inputs));
  BOOST_TEST(windows.position() == windows.size());
  windows.set_position(windows.size());
  BOOST_TEST(!windows.next().has_value());
  windows.rewind();
  BOOST_TEST(column(text, windows.next()->inputs, 0) == letters(5));
  for (const Index wrong : {Index{-1}, windows.size() + 1})
    BOOST_TEST(error_text([&] { windows.set_position(wrong); }) ==
               "[windows] position " + std::to_string(wrong) + "; needed 0 … " +
                   std::to_string(windows.size()) +
                   "; hint: is it the same text, batch and steps?");
}

BOOST_AUTO_TEST_CASE(outlive_their_text) {
  auto windows = [] { return nn::Text::of("hello world").windows({.batch = 1, .steps = 4}); }();
  BOOST_TEST(all_equal(windows.next()->targets, tensor({{2}, {4}, {4}, {5}})));  // " dehlorw"
}

BOOST_AUTO_TEST_CASE(says_how_long_a_text_must_be) {
  BOOST_TEST(nn::Text::of(letters(13)).windows({.batch = 3, .steps = 4}).size() == 1);
  BOOST_TEST(error_text([] { nn::Text::of(letters(12)).windows({.batch = 3, .steps = 4}); }) ==
             "[windows] a text of 12 characters for batch 3 and steps 4; needed batch · steps + 1 "
             "= 13 characters; hint: longer text, or a "
             "smaller .batch or .steps, which could be 3 here");
  BOOST_TEST(error_text([] { nn::Text::of("ab").windows({.batch = 8, .steps = 4}); }) ==
             "[windows] a text of 2 characters for batch 8 and steps 4; needed batch · steps + 1 = "
             "33 characters; hint: longer text, or a "
             "smaller .batch");
  const Index huge = std::numeric_limits<Index>::max();
  BOOST_TEST(error_text([&] {
               nn::Text::of("ab").windows({.batch = huge, .steps = huge});
             }).find("needed smaller numbers") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(refuses_senseless_sizes) {
  const auto text = nn::Text::of(letters(100));
  BOOST_TEST(
      error_text([&] { text.windows({.steps = 4}); }) ==
      "[windows] batch is 0; needed batch > 0; hint: text.windows({.batch = 32, .steps = 64})");
  BOOST_TEST(error_text([&] {
               text.windows({.batch = -1, .steps = 4});
             }).starts_with("[windows] batch is -1; needed batch > 0"));
  BOOST_TEST(error_text([&] {
               text.windows({.batch = 4});
             }).starts_with("[windows] steps is 0; needed steps > 0"));
  BOOST_TEST(error_text([&] {
               text.windows({.batch = 2, .steps = 4, .stride = 5});
             }).starts_with("[windows] stride is 5 with steps 4"));
  BOOST_TEST(error_text([&] {
               text.windows({.batch = 2, .steps = 4, .stride = -1});
             }).starts_with("[windows] stride is -1 with steps 4"));
}

BOOST_AUTO_TEST_SUITE_END()
