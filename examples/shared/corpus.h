#pragma once

#include <unroll/unroll.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

// The text to learn, and what to call it.
struct Corpus {
  std::string name;
  unroll::nn::Text text;
};

// All headers and sources of the project, in the order of their paths.
inline std::string own_source() {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (const char* folder : {"autograd", "nn", "optim", "examples", "tools", "tests"}) {
    const fs::path root = fs::path(UNROLL_SOURCE_DIR) / folder;
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp")
        files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::ostringstream all;
  for (const auto& file : files) all << std::ifstream(file, std::ios::binary).rdbuf();
  return all.str();
}

// A file, or where none is named the project's own source.
inline Corpus read_corpus(const std::string& file) {
  using unroll::nn::Text;
  if (!file.empty()) return {.name = file, .text = Text::read(file)};
  return {.name = "the project's own source", .text = Text::of(own_source())};
}
