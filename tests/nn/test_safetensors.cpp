#include <unroll/autograd/compare.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/detail/crc32.h>
#include <unroll/nn/safetensors.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <span>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <support/error_text.h>
#include <support/safetensors_bytes.h>
#include <support/source_tree.h>
#include <support/temporary_folder.h>

using namespace unroll;
using namespace unroll::test;

namespace {

// One bit after another, as the definition has it.
std::uint32_t plain_crc32(const std::string& bytes) {
  std::uint32_t r = 0xFFFFFFFFU;
  for (const char c : bytes) {
    r ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) r = (r & 1) != 0 ? (r >> 1) ^ 0xEDB88320U : r >> 1;
  }
  return ~r;
}

std::vector<nn::NamedTensor> some_tensors() {
  return {{.name = "a", .tensor = tensor({1.5, -2.0, 3.25})},
          {.name = "b.Wx", .tensor = tensor({{1.0, 2.0}, {3.0, 4.0}}, f64)},
          {.name = "ids", .tensor = tensor({7, -8})}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(checksum_is_that_of_zlib) {
  const auto sum = [](const std::string& text) {
    detail::Crc32 crc;
    crc.add(std::as_bytes(std::span(text)));
    return crc.value();
  };
  BOOST_TEST(sum("") == 0U);
  BOOST_TEST(sum("123456789") == 0xCBF43926U);  // the check value of the CRC catalogues
  BOOST_TEST(sum("The quick brown fox jumps over the lazy dog") == 0x414FA339U);
  std::mt19937 random(3);
  std::string bytes;
  detail::Crc32 pieces;
  for (std::size_t i = 0; i < 40; ++i) {
    std::string piece;
    for (std::size_t k = 0; k < i; ++k) piece += static_cast<char>(random());
    pieces.add(std::as_bytes(std::span(piece)));
    bytes += piece;
  }
  BOOST_TEST(pieces.value() == plain_crc32(bytes));
}

BOOST_AUTO_TEST_CASE(every_bit_comes_back) {
  const TemporaryFolder folder;
  const float nan_with_payload = std::bit_cast<float>(0x7FC12345U);
  const double negative_nan = std::bit_cast<double>(0xFFF8000000ABCDEFULL);
  const std::array<float, 6> odd = {
      nan_with_payload, std::numeric_limits<float>::infinity(), -0.0F, 1e-45F, -1e38F, 0.1F};
  const std::array<double, 4> odd64 = {negative_nan, -std::numeric_limits<double>::infinity(),
                                       5e-324, 0.1};
  const std::array<Index, 3> numbers = {std::numeric_limits<Index>::min(), -1,
                                        std::numeric_limits<Index>::max()};
  const Tensor wide = uniform({4, 6, 5}, -1, 1);
  const std::vector<nn::NamedTensor> tensors = {
      {.name = "odd", .tensor = from(odd, {2, 3})},
      {.name = "odd64", .tensor = from(odd64, {4})},
      {.name = "numbers", .tensor = from(numbers, {3})},
      {.name = "one", .tensor = reshape(tensor({2.5}), {})},
      {.name = "empty", .tensor = zeros({3, 0, 2})},
      {.name = "empty too", .tensor = zeros({0}, f64)},
      {.name = "deep", .tensor = uniform({1, 2, 1, 3, 1, 2, 1, 2}, 0, 1, f64)},
      {.name = "view",
       .tensor = transpose(slice(wide, {.axis = 1, .from = 1, .to = 6, .step = 2}), 0, 2)},
      {.name = "../../etc/passwd", .tensor = tensor({1})},
      {.name = "\xE4\xB8\xAD \"quoted\" \\ \n\t", .tensor = tensor({2})},
      {.name = "", .tensor = tensor({3})},
      {.name = std::string("nul\0inside", 10), .tensor = tensor({4})},
  };
  const nn::Metadata metadata = {{"", "empty key"},
                                 {"text", std::string("a\0\xC3\xA9\"\\", 6)},
                                 {"unroll.other", "unroll.crc32\":\"12345678\""}};
  nn::save_safetensors(folder / "all.safetensors", tensors, metadata);

  const auto file = nn::Safetensors::open(folder / "all.safetensors");
  BOOST_TEST(file.size() == std::ssize(tensors));
  for (const auto& [name, expected] : tensors) {
    BOOST_TEST(file.contains(name));
    BOOST_TEST((file.dtype(name) == expected.dtype()));
    BOOST_TEST(file.shape(name) == expected.shape());
    BOOST_TEST(all_equal(file[name], expected), name);
  }
  // all_equal takes NaN for NaN where it chooses to; bits settle it.
  BOOST_TEST(std::memcmp(file["odd"].span<float>().data(), odd.data(), sizeof odd) == 0);
  BOOST_TEST(std::memcmp(file["odd64"].span<double>().data(), odd64.data(), sizeof odd64) == 0);
  BOOST_TEST((file.metadata() == metadata));
  BOOST_TEST(folder.files() == 1);
}

BOOST_AUTO_TEST_CASE(empty_file_of_nothing) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "none", {});
  const auto file = nn::Safetensors::open(folder / "none");
  BOOST_TEST(file.size() == 0);
  BOOST_TEST(file.names().empty());
  BOOST_TEST(file.metadata().empty());
  write_file(folder / "foreign", file_of("{}", 0));
  BOOST_TEST(nn::Safetensors::open(folder / "foreign").size() == 0);
}

BOOST_AUTO_TEST_CASE(another_reader_finds_the_same) {
  const TemporaryFolder folder;
  const auto tensors = some_tensors();
  nn::save_safetensors(folder / "x", tensors, {{"key", "value"}});
  const std::string bytes = read_file(folder / "x");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  BOOST_TEST(length % 8 == 0);
  const std::string header_text = bytes.substr(8, length);
  BOOST_TEST(header_text.find_first_not_of(' ', header_text.rfind('}') + 1) == std::string::npos);
  const auto header = nlohmann::json::parse(header_text);
  BOOST_TEST(header.size() == tensors.size() + 1);
  BOOST_TEST(header["__metadata__"]["key"] == "value");
  const char* names[] = {"F32", "F64", "I64"};
  for (const auto& [name, x] : tensors) {
    const auto& entry = header[name];
    BOOST_TEST(entry["dtype"] == names[static_cast<int>(x.dtype())]);
    const std::vector<Index> shape = entry["shape"];
    BOOST_TEST(Shape(std::span(shape)) == x.shape());
    const std::size_t begin = entry["data_offsets"][0];
    const std::size_t end = entry["data_offsets"][1];
    BOOST_TEST((8 + length + begin) % element_bytes(x.dtype()) == 0);
    BOOST_TEST(end - begin == static_cast<std::size_t>(x.size()) * element_bytes(x.dtype()));
    BOOST_TEST(std::memcmp(bytes.data() + 8 + length + begin, detail::data<std::byte>(x),
                           end - begin) == 0);
  }

  // The checksum is that of the file with zeros in its place.
  const std::string stored = header["__metadata__"]["unroll.crc32"];
  std::string blank = bytes;
  blank.replace(blank.find("\"unroll.crc32\":\"") + 16, 8, "00000000");
  BOOST_TEST(std::stoul(stored, nullptr, 16) == plain_crc32(blank));
}

BOOST_AUTO_TEST_CASE(reads_what_pytorch_made) {
  Index files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(source_tree("tests/fixtures"))) {
    if (entry.path().extension() != ".safetensors") continue;
    ++files;
    const auto file = nn::Safetensors::open(entry.path().string());
    const std::string bytes = read_file(entry.path().string());
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    const auto header = nlohmann::json::parse(bytes.substr(8, length));
    BOOST_TEST(static_cast<Index>(header.size()) == file.size() + 1);
    for (const auto& [key, value] : header["__metadata__"].items())
      BOOST_TEST(file.metadata().at(key) == value);
    for (const std::string& name : file.names()) {
      const Tensor x = file[name];
      const std::size_t begin = header[name]["data_offsets"][0];
      const auto size = static_cast<std::size_t>(x.size()) * element_bytes(x.dtype());
      if (std::memcmp(bytes.data() + 8 + length + begin, detail::data<std::byte>(x), size) != 0)
        BOOST_TEST(false, name);
    }
  }
  BOOST_TEST(files >= 50);
  const auto lstm =
      nn::Safetensors::open(source_tree("tests/fixtures/recurrent/lstm-plain.safetensors"));
  BOOST_TEST(lstm.metadata().at("kind") == "lstm");
  BOOST_TEST((lstm.dtype("input") == f64));
}

BOOST_AUTO_TEST_CASE(empty_tensors_may_lie_anywhere) {
  const TemporaryFolder folder;
  write_file(
      folder / "x",
      file_of(
          R"({"e":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"f":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]}})",
          8));
  const auto file = nn::Safetensors::open(folder / "x");
  BOOST_TEST(file.names() == (std::vector<std::string>{"f", "a", "e"}),
             boost::test_tools::per_element());
  BOOST_TEST(file["f"].shape() == Shape({2, 0}));
  BOOST_TEST(file["a"].item<Index>() == 0x0101010101010101);
}

BOOST_AUTO_TEST_CASE(other_types_are_refused_only_when_read) {
  const TemporaryFolder folder;
  write_file(
      folder / "x",
      file_of(
          R"({"half":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"a":{"dtype":"F64","shape":[],"data_offsets":[8,16]}})",
          16));
  const auto file = nn::Safetensors::open(folder / "x");
  BOOST_TEST(file["a"].rank() == 0);
  BOOST_TEST(file.contains("half"));
  BOOST_TEST(file.shape("half") == Shape({2, 2}));
  const std::string text = "[safetensors] \"" + folder / "x" +
                           "\": tensor \"half\" at byte 121 is BF16 [2, 2]; needed F32, F64 or "
                           "I64; hint: convert it where the file was written";
  BOOST_TEST(error_text([&] { file["half"]; }) == text);
  BOOST_TEST(error_text([&] { file.dtype("half"); }) == text);
  const std::string missing =
      "[safetensors] \"" + folder / "x" +
      "\" has no tensor \"b\"; needed one of its 2 names; hint: file.names() lists them";
  BOOST_TEST(error_text([&] { file["b"]; }) == missing);
  BOOST_TEST(error_text([&] { file.shape("b"); }) == missing);
  BOOST_TEST(error_text([&] { file.dtype("b"); }) == missing);
  BOOST_TEST(!file.contains("b"));
}

BOOST_AUTO_TEST_CASE(files_that_are_none) {
  const TemporaryFolder folder;
  BOOST_TEST(error_text([&] { nn::Safetensors::open(folder / "none"); }) ==
             "[safetensors] \"" + folder / "none" +
                 "\": No such file or directory (open); needed a file that can be read");
  BOOST_TEST(error_text([&] { nn::Safetensors::open(folder.path()); }).find("Is a directory") !=
             std::string::npos);
  BOOST_TEST(error_text([] { nn::Safetensors::open("/dev/null"); }).find("is no regular file") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(names_are_made_harmless_in_messages) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "x", {});
  const auto file = nn::Safetensors::open(folder / "x");
  const auto shown = [&](const std::string& name) {
    const std::string text = error_text([&] { file[name]; });
    const std::size_t begin = text.find("has no tensor ") + 14;
    return text.substr(begin, text.find("; needed") - begin);
  };
  BOOST_TEST(shown("caf\xC3\xA9") == "\"caf\xC3\xA9\"");
  BOOST_TEST(shown("a\"b\\") == R"("a\"b\\")");
  BOOST_TEST(shown(std::string("\x1B[2J\x7F\xFF\0\n", 8)) == R"("\x1b[2J\x7f\xff\x00\x0a")");
  const std::string cut = shown(std::string(100'000, 'n'));
  BOOST_TEST(cut.size() < 200U);
  BOOST_TEST(cut.ends_with("n…\""));
}

BOOST_AUTO_TEST_CASE(names_and_metadata_must_be_utf8_and_unique) {
  const TemporaryFolder folder;
  const Tensor x = tensor({1});
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {{"a", x}, {"b", x}, {"a", x}});
             }) == "[save] tensor \"a\" comes twice; needed every name once");
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {{"a", Tensor()}});
             }) == "[save] tensor \"a\" is undefined; needed a tensor");
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {{"__metadata__", x}});
             }) == "[save] tensor \"__metadata__\"; needed another name; this one is the format's");
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {{"a\xFF", x}});
             }).starts_with("[save] tensor name \"a\\xff\"; needed valid UTF-8"));
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {}, {{"k", "\xC3"}});
             }).starts_with("[save] metadata value \"\\xc3\"; needed valid UTF-8"));
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {}, {{"\xC3", "v"}});
             }).starts_with("[save] metadata key \"\\xc3\"; needed valid UTF-8"));
  BOOST_TEST(error_text([&] {
               nn::save_safetensors(folder / "x", {}, {{"unroll.crc32", "v"}});
             }) == "[save] metadata \"unroll.crc32\"; needed a key of your own");
  BOOST_TEST(folder.files() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
