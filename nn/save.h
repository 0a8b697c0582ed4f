#pragma once

#include <unroll/nn/module.h>
#include <unroll/nn/safetensors.h>

#include <string>
#include <vector>

namespace unroll::nn {

// Writes all parameters of a module under their paths, which count from it: a part of a model can
// be saved on its own. The file is replaced at once or not at all.
void save(const Module& model, const std::string& path, const Metadata& metadata = {});

struct LoadOptions {
  // Leave out what only the file or only the model has; throws where nothing is left.
  bool partial = false;
  bool convert = false;     // F32 into f64 parameters and F64 into f32 ones
  std::string prefix = {};  // of the names in the file: only such count, without it
};

// What became of which path.
struct Loaded {
  std::vector<std::string> loaded;
  std::vector<std::string> missing;  // in the model alone
  std::vector<std::string> extra;    // in the file alone, as they are called there
};

// Values from a file over those of the parameters, frozen ones too. Checks everything before it
// changes anything, and throws with the whole list where names, shapes or dtypes differ. Memory:
// what the model takes.
Loaded load(Module& model, const std::string& path, const LoadOptions& options = {});
Loaded load(Module& model, const Safetensors& file, const LoadOptions& options = {});

}  // namespace unroll::nn
