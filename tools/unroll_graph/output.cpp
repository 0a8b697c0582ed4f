#include <unroll/autograd/detail/atomic_file.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>

#include "request.h"

namespace graph_tool {
namespace {

void put_into(std::FILE* file, const std::string& name, const std::string& bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || std::fflush(file) != 0)
    throw Misuse(name + " cannot be written: " + std::strerror(errno));
}

}  // namespace

void put(const std::string& path, const std::string& bytes) {
  if (path.empty()) return put_into(stdout, "standard output", bytes);
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_directory(status)) {  // a device or a pipe, which nothing can replace
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                               &std::fclose);
    if (file == nullptr) throw Misuse(path + " cannot be opened: " + std::strerror(errno));
    return put_into(file.get(), path, bytes);
  }
  unroll::detail::AtomicFile file("unroll-graph", path);
  file.write(std::as_bytes(std::span(bytes)));
  file.commit();
}

}  // namespace graph_tool
