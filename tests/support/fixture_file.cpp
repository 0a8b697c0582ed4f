#include "support/fixture_file.h"

#include <cstring>
#include <stdexcept>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/files.h"
#include "support/source_tree.h"

namespace unroll::test {

FixtureFile read_fixture(const std::string& name) {
  const std::string path = source_tree("tests/fixtures/" + name);
  const std::string bytes = read_file(path);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const char* const data = bytes.data() + sizeof(header) + header;

  FixtureFile file;
  const auto listed = nlohmann::json::parse(bytes.substr(sizeof(header), header));
  for (const auto& [key, entry] : listed.items()) {
    if (key == "__metadata__") {
      file.metadata = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    const Shape shape(entry.at("shape").get<std::vector<Index>>());
    const char* const from_here = data + entry.at("data_offsets").at(0).get<std::size_t>();
    const auto count = static_cast<std::size_t>(shape.size());
    if (entry.at("dtype") == "I64") {
      std::vector<Index> elements(count);
      if (count > 0) std::memcpy(elements.data(), from_here, count * sizeof(Index));
      file.tensors[key] = from(std::span<const Index>(elements), shape);
    } else if (entry.at("dtype") == "F64") {
      std::vector<double> elements(count);
      if (count > 0) std::memcpy(elements.data(), from_here, count * sizeof(double));
      file.tensors[key] = from(std::span<const double>(elements), shape);
    } else {
      throw std::runtime_error(path + ": dtype of " + key);
    }
  }
  return file;
}

}  // namespace unroll::test
