#include "support/source_tree.h"

#include <filesystem>

namespace unroll::test {

std::string source_tree(const std::string& path) {
  return (std::filesystem::path(UNROLL_SOURCE_DIR) / path).string();
}

}  // namespace unroll::test
