#pragma once

#include <unroll/nn/safetensors.h>
#include <unroll/unroll.h>

#include <map>
#include <string>
#include <vector>

// Recurrent layers as PyTorch computed them, tests/fixtures/recurrent, and their weights in ours.
namespace unroll::test {

// A case: numbers with words beside them.
struct Fixture {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> words;

  const Tensor& operator[](const std::string& name) const { return tensors.at(name); }
  bool contains(const std::string& name) const { return tensors.contains(name); }
  const std::string& word(const std::string& key) const { return words.at(key); }
  Index number(const std::string& key) const { return std::stoll(word(key)); }
  bool flag(const std::string& key) const { return word(key) == "true"; }
  std::vector<Index> numbers(const std::string& key) const;  // "3,6,1"
};
// The case that a file of tests/fixtures/recurrent is.
Fixture read_recurrent_case(const std::string& path);
// All cases of a file of tests/fixtures/recurrent_random, with the weights taken apart.
std::vector<Fixture> read_recurrent_cases(const std::string& path);
// All of a folder below tests/fixtures, by name.
std::vector<std::string> fixture_files(const std::string& folder);

// "1.backward.b_recurrent" → "bias_hh_l1_reverse".
std::string torch_name(const std::string& path);
// A weight [output, input] turned; a bias as it is.
Tensor from_torch(const Tensor& weight);
// Every parameter of a layer from the tensor of its torch name.
void import_weights(const nn::Module& layer, const Fixture& file);

}  // namespace unroll::test
