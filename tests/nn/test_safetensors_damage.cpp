#include <unroll/autograd/create.h>
#include <unroll/nn/safetensors.h>

#include <filesystem>
#include <map>
#include <random>

#include <boost/test/unit_test.hpp>
#include <support/error_text.h>
#include <support/safetensors_bytes.h>
#include <support/temporary_folder.h>

using namespace unroll;
using namespace unroll::test;

namespace {

std::vector<nn::NamedTensor> some_tensors() {
  return {{.name = "a", .tensor = tensor({1.5, -2.0, 3.25})},
          {.name = "b.Wx", .tensor = tensor({{1.0, 2.0}, {3.0, 4.0}}, f64)},
          {.name = "ids", .tensor = tensor({7, -8})}};
}

// Reads everything in a file, as a program would; whether it was refused.
bool refused(const std::string& path) {
  try {
    const auto file = nn::Safetensors::open(path);
    for (const std::string& name : file.names()) static_cast<void>(file[name]);
  } catch (const Error&) {
    return true;
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors_damage)

BOOST_AUTO_TEST_CASE(every_changed_bit_is_found) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "x", some_tensors(), {{"note", "caf\xC3\xA9"}});
  const std::string good = read_file(folder / "x");
  BOOST_TEST(!refused(folder / "x"));
  Index missed = 0;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (const unsigned flip : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 255U, 0x5AU}) {
      std::string bad = good;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      write_file(folder / "bad", bad);
      if (!refused(folder / "bad")) ++missed;
    }
  BOOST_TEST(missed == 0);
}

BOOST_AUTO_TEST_CASE(every_cut_and_every_tail_is_found) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "ours", some_tensors());
  write_file(folder / "theirs",
             file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})", 12));
  for (const char* name : {"ours", "theirs"}) {
    const std::string good = read_file(folder / name);
    BOOST_TEST(!refused(folder / name));
    Index missed = 0;
    for (std::size_t length = 0; length < good.size(); ++length) {
      write_file(folder / "bad", good.substr(0, length));
      if (!refused(folder / "bad")) ++missed;
    }
    write_file(folder / "bad", good + '\0');
    if (!refused(folder / "bad")) ++missed;
    BOOST_TEST(missed == 0, name);
  }
}

BOOST_AUTO_TEST_CASE(damage_without_a_checksum_throws_or_reads) {
  const TemporaryFolder folder;
  const std::string good = file_of(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]}})",
      32);
  std::mt19937 random(17);
  Index read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % bad.size();
      switch (random() % 4) {
        case 0:
          bad[at] = static_cast<char>(random());
          break;
        case 1:
          bad.erase(at, 1 + random() % 4);
          break;
        case 2:
          bad.insert(at, 1, "0129,:[]{}\"\\-e. "[random() % 16]);
          break;
        default:
          bad[at] = "0129,:[]{}\"\\-e. "[random() % 16];
          break;
      }
      if (bad.empty()) bad = "x";
    }
    write_file(folder / "bad", bad);
    if (!refused(folder / "bad")) ++read;  // any other exception, or a crash, ends the test
  }
  BOOST_TEST(read > 100);
  BOOST_TEST(read < 15'000);
}

BOOST_AUTO_TEST_CASE(malformed_files_are_refused_by_name_and_byte) {
  const std::string huge = "18446744073709551615";
  struct Case {
    std::string bytes;
    std::string says;  // part of the message
  };
  const auto tensor_file = [](const std::string& fields, std::size_t data = 8) {
    return file_of("{\"w\":{" + fields + "}}", data);
  };
  const std::string pair = R"("a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]})";
  const std::vector<Case> cases = {
      {"", "a file of 0 bytes; needed 8 bytes"},
      {"1234567", "a file of 7 bytes"},
      {with_length("{}", 3), "byte 0 says a header of 3 bytes, and 2 follow"},
      {with_length("{}  ", std::uint64_t{1} << 63),
       "byte 0 says a header of 9223372036854775808 bytes, and 4 follow"},
      {with_length("{}  ", ~std::uint64_t{0}),
       "byte 0 says a header of 18446744073709551615 bytes"},
      {with_length("", 0), "header at byte 8 begins with \"\""},
      {file_of("not json", 0), "header at byte 8 begins with \"n\""},
      {file_of(" {}", 0), "header at byte 8 begins with \" \""},
      {file_of("[]", 0), "header at byte 8 begins with \"[\""},
      {file_of("{", 0), "header at byte 9: "},
      {file_of("{}}", 0), "header at byte 11: "},
      {file_of("{\"a\xFF\":1}", 0), "header at byte 12: "},
      {file_of(std::string("{}\0", 3), 0), "header at byte 10: a NUL"},
      {file_of(std::string("{}\0{\"a\":", 8), 0), "header at byte 10: a NUL"},
      {file_of("{\"a\":" + std::string(100'000, '['), 0), "an array; needed an object for \"a\""},
      {file_of(R"({"a":1})", 0), "header at byte 15: 1; needed an object for \"a\""},
      {file_of(R"({"a":null})", 0), "null; needed an object for \"a\""},
      {file_of("{" + pair + "," + pair + "}", 8),
       "tensor \"a\" at byte 12 and again at byte 65; needed every name once"},
      {file_of(
           R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"\u0061":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}})",
           16),
       "tensor \"a\" at byte 12 and again at byte 70"},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), "__metadata__ twice"},
      {file_of(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "metadata \"k\" twice"},
      {file_of(R"({"__metadata__":{"k":"1","\u006b":"2"}})", 0), "metadata \"k\" twice"},
      {file_of(R"({"__metadata__":{"k":1}})", 0), "1; needed a string for metadata \"k\""},
      {file_of(R"({"__metadata__":{"k":{}}})", 0), "an object; needed a string for metadata \"k\""},
      {file_of(R"({"__metadata__":[]})", 0), "an array; needed an object for \"__metadata__\""},
      {tensor_file(R"("dtype":"I64","shape":[1])"), "tensor \"w\" at byte 40: fields are missing"},
      {tensor_file(""), "tensor \"w\" at byte 15: fields are missing"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[0,8],"shape":[1])"),
       "field shape twice"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[0,8],"more":0)"),
       "field \"more\"; needed dtype, shape and data_offsets"},
      {tensor_file(R"("dtype":"X7","shape":[1],"data_offsets":[0,8])"),
       "tensor \"w\" at byte 26: dtype \"X7\""},
      {tensor_file(R"("dtype":7,"shape":[1],"data_offsets":[0,8])"),
       "7; needed a string for dtype"},
      {tensor_file(R"("dtype":["I64"],"shape":[1],"data_offsets":[0,8])"),
       "an array; needed a string for dtype"},
      {tensor_file(R"("dtype":"I64","shape":"1","data_offsets":[0,8])"),
       "\"1\"; needed an array for shape"},
      {tensor_file(R"("dtype":"I64","shape":[-1],"data_offsets":[0,8])"),
       "-1; needed a whole number, 0 or more"},
      {tensor_file(R"("dtype":"I64","shape":[1.0],"data_offsets":[0,8])"),
       "1.0; needed a whole number"},
      {tensor_file(R"("dtype":"I64","shape":[1e0],"data_offsets":[0,8])"),
       "1e0; needed a whole number"},
      {tensor_file(R"("dtype":"I64","shape":[[1]],"data_offsets":[0,8])"),
       "an array; needed a whole number"},
      {tensor_file(R"("dtype":"I64","shape":[true],"data_offsets":[0,8])"),
       "a truth value; needed a whole number"},
      {tensor_file(R"("dtype":"I64","shape":[)" + huge + R"(],"data_offsets":[0,8])"),
       huge + "; needed at most 9223372036854775807"},
      {tensor_file(R"("dtype":"I64","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,8])"),
       "a shape of more than 8 axes"},
      // 4194305² · 211106198978564 is 4 to 64 bits.
      {tensor_file(
           R"("dtype":"I64","shape":[4194305,4194305,211106198978564],"data_offsets":[0,32])", 32),
       "has more bytes than can be counted"},
      {tensor_file(R"("dtype":"F32","shape":[4611686018427387904,2,2],"data_offsets":[0,0])", 0),
       "has more bytes than can be counted"},
      {tensor_file(R"("dtype":"I64","shape":[1152921504606846977],"data_offsets":[0,8])"),
       "has more bytes than can be counted"},
      {tensor_file(R"("dtype":"I64","shape":[2],"data_offsets":[0,8])"),
       "tensor \"w\" at byte 12: I64 [2] takes 16 bytes, its data_offsets 0 and 8 hold 8; needed "
       "equal numbers"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[0,16])", 16),
       "I64 [1] takes 8 bytes, its data_offsets 0 and 16 hold 16; needed equal numbers"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[8,0])"),
       "data_offsets 8 and 0; needed begin <= end"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[0])"),
       "1 data_offsets; needed two"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[0,8,16])"),
       "more than two data_offsets"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[)" + huge + R"(,7])"),
       huge + "; needed at most"},
      {tensor_file(R"("dtype":"I64","shape":[1],"data_offsets":[8,16])", 16),
       "data begins at 8, after a hole that ends at 0"},
      {file_of("{" + pair + R"(,"b":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8),
       "tensor \"b\" at byte 65: data begins at 0, inside other data that ends at 8"},
      {file_of("{" + pair + R"(,"b":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}})", 24),
       "tensor \"b\" at byte 65: data begins at 16, after a hole"},
      {file_of("{" + pair + "}", 9),
       "tensors with 8 bytes of data, in a file with 9 from byte 62 on"},
      {file_of("{" + pair + "}", 7),
       "tensors with 8 bytes of data, in a file with 7 from byte 62 on"},
      {file_of("{}", 1), "tensors with 0 bytes of data, in a file with 1"},
      {file_of(R"({"__metadata__":{"unroll.crc32":"00000000"}})", 0), "do not belong together"},
      {file_of(R"({"__metadata__":{"unroll.format":"1"}})", 0), "do not belong together"},
      {file_of(R"({"__metadata__":{"unroll.crc32":"00000000","unroll.format":"2"}})", 0),
       "and unroll.format 1"},
      {file_of(R"({"__metadata__":{"unroll.crc32": "00000000","unroll.format":"1"}})", 0),
       "needed 8 digits, as unroll writes them"},
      {file_of(R"({"__metadata__":{"unroll.crc32":"0","unroll.format":"1"}})", 0),
       "needed 8 digits"},
      {file_of(R"({"__metadata__":{"unroll.crc32":"00000000","unroll.format":"1"}})", 0),
       "metadata says \"00000000\""},
  };
  BOOST_TEST(cases.size() >= 40U);
  const TemporaryFolder folder;
  for (const auto& [bytes, says] : cases) {
    write_file(folder / "bad", bytes);
    const std::string text = error_text([&] { nn::Safetensors::open(folder / "bad"); });
    BOOST_TEST(text.starts_with("[safetensors] \"" + folder / "bad" + "\": "), text);
    BOOST_TEST(text.find(says) != std::string::npos, text << "\n  should have said: " << says);
  }
}

BOOST_AUTO_TEST_CASE(sizes_of_all_types_are_known) {
  const TemporaryFolder folder;
  const std::map<std::string, int> types = {
      {"F32", 4}, {"F64", 8}, {"I64", 8},     {"BOOL", 1},   {"U8", 1},  {"I8", 1},
      {"I16", 2}, {"U16", 2}, {"F16", 2},     {"BF16", 2},   {"I32", 4}, {"U32", 4},
      {"U64", 8}, {"C64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  for (const auto& [name, bytes] : types)
    for (const int stored : {1, 2, 4, 8}) {
      const std::string end = std::to_string(3 * stored);
      write_file(folder / "x", file_of(R"({"w":{"dtype":")" + name +
                                           R"(","shape":[3],"data_offsets":[0,)" + end + "]}}",
                                       static_cast<std::size_t>(3 * stored)));
      const std::string text = error_text([&] { nn::Safetensors::open(folder / "x"); });
      BOOST_TEST(text.empty() == (stored == bytes), name << ": " << text);
    }
}

BOOST_AUTO_TEST_CASE(header_beyond_the_cap) {
  const TemporaryFolder folder;
  write_file(folder / "sparse", with_length("{", 100'000'001));
  std::filesystem::resize_file(folder / "sparse", 200'000'000);  // a hole: takes no space
  BOOST_TEST(error_text([&] {
               nn::Safetensors::open(folder / "sparse");
             }).find("needed at most as many, and 100000000") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_file_cut_while_open_throws) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "x", {{.name = "a", .tensor = zeros({1000})}});
  const auto file = nn::Safetensors::open(folder / "x");
  std::filesystem::resize_file(folder / "x", 2000);
  BOOST_TEST(error_text([&] { file["a"]; }).find("needed a file that nobody shortens meanwhile") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
