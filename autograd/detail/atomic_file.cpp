#include <unroll/autograd/detail/atomic_file.h>
#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/error.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace unroll::detail {
namespace {

template <class Call>
auto retried(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

AtomicFile::Temporary::~Temporary() {
  if (ours) ::unlink(path.c_str());
}

AtomicFile::AtomicFile(std::string operation, std::string path)
    : operation_(std::move(operation)),
      path_(std::move(path)),
      target_(follow_links()),
      temporary_(target_ + ".part") {
  struct stat old = {};
  const bool replaces = ::stat(target_.c_str(), &old) == 0;
  if (!replaces && errno != ENOENT) fail("stat", errno);
  if (replaces && S_ISDIR(old.st_mode)) fail("open", EISDIR);
  if (replaces && !S_ISREG(old.st_mode))
    fail_nowhere(operation_, {.given = printable(path_) + " is no regular file",
                              .needed = "a path that can be replaced",
                              .hint = {}});
  create();
  if (replaces && ::fchmod(file_.number(), old.st_mode & 07777) != 0) fail("fchmod", errno);
}

std::string AtomicFile::follow_links() const {
  if (path_.empty() || path_.find('\0') != std::string::npos) fail("open", EINVAL);
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path_.c_str(), nullptr), std::free);
  if (real != nullptr) return real.get();
  if (errno != ENOENT) fail("open", errno);
  return path_;
}

// The lock tells a writer at work from what a killed one left. It is on the open file, so it ends
// with its holder.
void AtomicFile::create() {
  while (true) {
    constexpr int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
    file_ = Descriptor(
        retried([&] { return ::open(temporary_.path.c_str(), flags | O_CREAT | O_EXCL, 0666); }));
    if (file_.number() >= 0) {
      temporary_.ours = true;
      if (lock_and_check(file_)) return;
      temporary_.ours = false;
      continue;
    }
    if (errno != EEXIST) fail("open", errno);
    const Descriptor left(retried([&] { return ::open(temporary_.path.c_str(), flags); }));
    if (left.number() < 0 && errno == ENOENT) continue;
    if (left.number() < 0) fail("open", errno);
    if (lock_and_check(left) && ::unlink(temporary_.path.c_str()) != 0 && errno != ENOENT)
      fail("unlink", errno);
  }
}

// Throws where somebody else holds the lock; false where the name belongs to another file by now.
bool AtomicFile::lock_and_check(const Descriptor& file) {
  if (retried([&] { return ::flock(file.number(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) {
      temporary_.ours = false;
      fail_nowhere(operation_, {.given = printable(path_) + " is being written by someone else",
                                .needed = "one writer at a time",
                                .hint = {}});
    }
    // File systems without locks: the last writer wins.
    if (errno != ENOLCK && errno != EOPNOTSUPP && errno != ENOSYS) fail("flock", errno);
  }
  struct stat opened = {};
  struct stat named = {};
  if (::fstat(file.number(), &opened) != 0) fail("fstat", errno);
  if (::stat(temporary_.path.c_str(), &named) != 0) return false;
  return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

void AtomicFile::fail(const char* call, int error) const {
  fail_file(operation_, path_, call, error,
            "a path that can be written; what was there is as it was");
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(written_, bytes);
  written_ += std::ssize(bytes);
}

void AtomicFile::write_at(Index offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t most = std::min(bytes.size(), std::size_t{1} << 30);
    const ssize_t n = retried([&] { return ::pwrite(file_.number(), bytes.data(), most, offset); });
    if (n <= 0) fail("write", n < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
}

void AtomicFile::commit() {
  if (retried([&] { return ::fsync(file_.number()); }) != 0) fail("fsync", errno);
  if (::rename(temporary_.path.c_str(), target_.c_str()) != 0) fail("rename", errno);
  temporary_.ours = false;
  file_.close();
  const Descriptor folder(retried(
      [&] { return ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  // The new file is in place; a folder that cannot be opened or synchronised only delays when it is
  // on disk.
  if (folder.number() >= 0 && retried([&] { return ::fsync(folder.number()); }) != 0 &&
      errno == EIO)
    fail_file(operation_, path_, "fsync of its folder", errno,
              "a sound disk; the new file is in place, but may not outlive a crash");
}

}  // namespace unroll::detail
