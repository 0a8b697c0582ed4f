#pragma once

#include <unroll/autograd/detail/file.h>

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
  void write(std::span<const std::byte> bytes);
  // Over what was written.
  void write_at(Index offset, std::span<const std::byte> bytes);
  void commit();

 private:
  // The temporary's name, removed with it unless it became the file.
  struct Temporary {
    explicit Temporary(std::string name) : path(std::move(name)) {}
    ~Temporary();
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    std::string path;
    bool ours = false;
  };

  std::string follow_links() const;
  void create();
  bool lock_and_check(const Descriptor& file);
  [[noreturn]] void fail(const char* call, int error) const;

  std::string operation_;
  std::string path_;    // as it was given
  std::string target_;  // links followed
  Descriptor file_;
  Temporary temporary_;  // gone before the lock on file_ is
  Index written_ = 0;
};

}  // namespace unroll::detail
