#pragma once

#include <string>

namespace unroll::test {

// The path of a file or folder of the project: source_tree("tests/golden/a.dot").
std::string source_tree(const std::string& path);

}  // namespace unroll::test
