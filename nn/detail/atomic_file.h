#pragma once

#include <unroll/nn/detail/file.h>

#include <cstddef>
#include <span>
#include <string>

namespace unroll::detail {

// Replaces a file at once or not at all: bytes go to `path`.part in the same folder, commit() puts
// them on disk and renames. Whatever ends it before, the old file stays; the next writer removes
// what a killed one left. A link is followed, the mode of an old file kept. Throws where another
// writer is at the same file.
class AtomicFile {
 public:
  AtomicFile(std::string operation, std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  // Over what was written.
  void write_at(Index offset, std::span<const std::byte> bytes);
  void commit();

 private:
  void create();
  bool lock_and_check(const Descriptor& file) const;
  [[noreturn]] void fail(const char* call, int error) const;

  std::string operation_;
  std::string path_;    // as it was given
  std::string target_;  // links followed
  std::string temporary_;
  Descriptor file_;
  Index written_ = 0;
  bool exists_ = false;  // the temporary
};

}  // namespace unroll::detail
