#include "support/recurrent_fixture.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

namespace unroll::test {

std::vector<Index> Fixture::numbers(const std::string& key) const {
  std::vector<Index> all;
  std::istringstream text(word(key));
  for (std::string one; std::getline(text, one, ',');) all.push_back(std::stoll(one));
  return all;
}

std::vector<std::string> fixture_files(const std::string& folder) {
  std::vector<std::string> files;
  const std::filesystem::path root(std::string(UNROLL_SOURCE_DIR) + "/tests/fixtures/" + folder);
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string torch_name(const std::string& path) {
  const std::size_t first = path.find('.');
  const std::size_t second = path.find('.', first + 1);
  const std::string layer = path.substr(0, first);
  const std::string direction = path.substr(first + 1, second - first - 1);
  const std::string name = path.substr(second + 1);
  const std::string begin = name == "Wx"   ? "weight_ih_l"
                            : name == "Wh" ? "weight_hh_l"
                            : name == "b"  ? "bias_ih_l"
                                           : "bias_hh_l";
  return begin + layer + (direction == "backward" ? "_reverse" : "");
}

Tensor from_torch(const Tensor& weight) {
  return weight.rank() == 2 ? contiguous(transpose(weight, 0, 1)) : weight;
}

void import_weights(const nn::Module& layer, const Fixture& file) {
  for (const auto& [path, parameter] : layer.parameters())
    unroll::detail::overwrite(parameter, from_torch(file[torch_name(path)]), "import");
}

}  // namespace unroll::test
