#include "support/recurrent_fixture.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "support/source_tree.h"

namespace unroll::test {

std::vector<Index> Fixture::numbers(const std::string& key) const {
  std::vector<Index> all;
  std::istringstream text(word(key));
  for (std::string one; std::getline(text, one, ',');) all.push_back(std::stoll(one));
  return all;
}

Fixture read_recurrent_case(const std::string& path) {
  const auto file = nn::Safetensors::open(path);
  Fixture all;
  for (const std::string& name : file.names()) all.tensors[name] = file[name];
  all.words.insert(file.metadata().begin(), file.metadata().end());
  return all;
}

namespace {

// Cuts `prefix`weights into the tensors that torch calls weight_ih_l0, weight_hh_l0, …
void take_apart(Fixture& f, const std::string& prefix) {
  const Index blocks = f.word("kind") == "lstm" ? 4 : f.word("kind") == "gru" ? 3 : 1;
  const Index hidden = f.number("hidden");
  const Index projection = f.words.contains("projection") ? f.number("projection") : 0;
  const Index of_h = projection > 0 ? projection : hidden;
  const Index directions = f.flag("bidirectional") ? 2 : 1;
  const Tensor all = f[prefix + "weights"];
  Index from = 0;
  const auto take = [&](const std::string& name, const Shape& shape) {
    f.tensors[prefix + name] =
        reshape(slice(all, {.from = from, .to = from + shape.size()}), shape);
    from += shape.size();
  };
  for (Index layer = 0; layer < f.number("layers"); ++layer)
    for (const char* direction : {"", "_reverse"}) {
      if (directions == 1 && direction[0] != '\0') continue;
      const std::string end = "_l" + std::to_string(layer) + direction;
      take("weight_ih" + end,
           {blocks * hidden, layer == 0 ? f.number("input") : directions * of_h});
      take("weight_hh" + end, {blocks * hidden, of_h});
      if (f.flag("bias"))
        for (const char* bias : {"bias_ih", "bias_hh"}) take(bias + end, {blocks * hidden});
      if (projection > 0) take("weight_hr" + end, {projection, hidden});
    }
  if (from != all.size()) throw std::runtime_error("weights left over in a fixture");
}

}  // namespace

std::vector<Fixture> read_recurrent_cases(const std::string& path) {
  const auto file = nn::Safetensors::open(path);
  std::map<std::string, Fixture> cases;
  for (const std::string& name : file.names()) {
    const std::size_t slash = name.find('/');
    cases[name.substr(0, slash)].tensors[name.substr(slash + 1)] = file[name];
  }
  std::vector<Fixture> all;
  for (auto& [number, f] : cases) {
    std::istringstream words(file.metadata().at(number));
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      f.words[word.substr(0, equals)] = word.substr(equals + 1);
    }
    take_apart(f, "");
    take_apart(f, "grad.");
    all.push_back(std::move(f));
  }
  return all;
}

std::vector<std::string> fixture_files(const std::string& folder) {
  std::vector<std::string> files;
  const auto root = source_tree("tests/fixtures/" + folder);
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
                            : name == "Wp" ? "weight_hr_l"
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
