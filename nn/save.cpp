#include <unroll/autograd/detail/utf8.h>
#include <unroll/nn/save.h>

#include <set>

namespace unroll::nn {
namespace {

using unroll::detail::printable;

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : ", ") + line;
  return text;
}

}  // namespace

void save(const Module& model, const std::string& path, const Metadata& metadata) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : model.parameters())
    tensors.push_back({.name = name, .tensor = tensor});
  save_safetensors(path, tensors, metadata);
}

Loaded load(Module& model, const std::string& path, const LoadOptions& options) {
  return load(model, Safetensors::open(path), options);
}

Loaded load(Module& model, const Safetensors& file, const LoadOptions& options) {
  Loaded result;
  std::vector<std::string> differing;
  std::vector<const Tensor*> targets;
  std::set<std::string> known;
  const ParameterList parameters = model.parameters();
  for (const auto& [path, tensor] : parameters) {
    const std::string name = options.prefix + path;
    known.insert(name);
    if (!file.contains(name)) {
      result.missing.push_back(path);
      continue;
    }
    const DType dtype = file.dtype(name);
    const bool fits = dtype == tensor.dtype() || (options.convert && is_floating(dtype));
    if (!fits || file.shape(name) != tensor.shape())
      differing.push_back(path + " is " + describe(tensor) + " in the model and " +
                          std::string(name_of(dtype)) + " " + to_string(file.shape(name)) +
                          " in the file");
    result.loaded.push_back(path);
    targets.push_back(&tensor);
  }
  for (const std::string& name : file.names())
    if (name.starts_with(options.prefix) && !known.contains(name)) result.extra.push_back(name);

  const bool refuses = !options.partial && !(result.missing.empty() && result.extra.empty());
  const bool nothing = result.loaded.empty() && parameters.size() > 0;
  if (refuses || nothing || !differing.empty()) {
    std::vector<std::string> complaints = differing;
    if (refuses || nothing)
      for (const std::string& path : result.missing)
        complaints.push_back(path + " is missing in the file");
    if (refuses || nothing)
      for (const std::string& name : result.extra)
        complaints.push_back(printable(name) + " is not in the model");
    fail_nowhere("load",
                 {.given = printable(file.path()) + " does not fit: " + joined(complaints),
                  .needed = "the names, shapes and dtypes of the model; nothing was changed",
                  .hint = "nn::load(model, path, {.partial = true}) takes what is in both, "
                          ".convert changes dtypes, .prefix names a part of the file"});
  }

  std::vector<Tensor> values;
  for (std::size_t i = 0; i < targets.size(); ++i)
    values.push_back(file[options.prefix + result.loaded[i]].to(targets[i]->dtype()));
  for (std::size_t i = 0; i < targets.size(); ++i)
    unroll::detail::overwrite(*targets[i], values[i], "load");
  return result;
}

}  // namespace unroll::nn
