#include <unroll/autograd/compare.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/text.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

#include "support/error_text.h"
#include "support/temporary_folder.h"

using namespace unroll;
using namespace unroll::test;

namespace {

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
