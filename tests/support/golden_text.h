#pragma once

#include <cstdlib>
#include <string>

#include "support/source_tree.h"
#include "support/temporary_folder.h"

namespace unroll::test {

// What stands in tests/golden; with UNROLL_UPDATE_GOLDEN=1 in the environment, `text`, which is
// written there.
inline std::string golden_text(const std::string& name, const std::string& text) {
  const std::string path = source_tree("tests/golden/" + name);
  if (const char* update = std::getenv("UNROLL_UPDATE_GOLDEN");
      update != nullptr && std::string(update) == "1")
    write_file(path, text);
  return read_file(path);
}

}  // namespace unroll::test
