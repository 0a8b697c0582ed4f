#pragma once

#include <unroll/autograd/index.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace unroll::detail {

// An open file of the system; -1 is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }

  int number() const { return number_; }
  void close();

 private:
  int number_ = -1;
};

// A regular file, read at stated offsets, so that threads may share it.
class InputFile {
 public:
  // Throws an Error of `operation` that names the path.
  InputFile(std::string operation, std::string path);

  const std::string& path() const { return path_; }
  Index size() const { return size_; }  // bytes, when it was opened
  // Fills `to`; throws where the file ends before.
  void read_at(Index offset, std::span<std::byte> to) const;

 private:
  std::string operation_;
  std::string path_;
  Descriptor file_;
  Index size_ = 0;
};

// All bytes of a file or a pipe.
std::string read_bytes(const std::string& operation, const std::string& path);

// Throws for what the system refused: "[save] a/b: No space left on device (write); needed …".
[[noreturn]] void fail_file(const std::string& operation, const std::string& path, const char* call,
                            int error, const char* needed);

}  // namespace unroll::detail
