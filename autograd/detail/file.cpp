#include <unroll/autograd/detail/file.h>
#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/error.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace unroll::detail {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 20;

struct Opened {
  Descriptor file;
  struct stat status = {};
};

Opened open_to_read(const std::string& operation, const std::string& path, bool pipes) {
  constexpr const char* needed = "a file that can be read";
  // A path with a NUL inside would name another file.
  if (path.find('\0') != std::string::npos) fail_file(operation, path, "open", EINVAL, needed);
  Opened opened;
  do {
    opened.file = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  } while (opened.file.number() < 0 && errno == EINTR);
  if (opened.file.number() < 0) fail_file(operation, path, "open", errno, needed);
  if (::fstat(opened.file.number(), &opened.status) != 0)
    fail_file(operation, path, "fstat", errno, needed);
  const auto mode = opened.status.st_mode;
  if (S_ISDIR(mode)) fail_file(operation, path, "open", EISDIR, needed);
  if (!S_ISREG(mode) && !(pipes && (S_ISFIFO(mode) || S_ISSOCK(mode))))
    fail_nowhere(operation,
                 {.given = printable(path) + " is no regular file", .needed = needed, .hint = {}});
  return opened;
}

}  // namespace

void Descriptor::close() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

void fail_file(const std::string& operation, const std::string& path, const char* call, int error,
               const char* needed) {
  fail_nowhere(operation, {.given = printable(path) + ": " +
                                    std::generic_category().message(error) + " (" + call + ")",
                           .needed = needed,
                           .hint = {}});
}

InputFile::InputFile(std::string operation, std::string path)
    : operation_(std::move(operation)), path_(std::move(path)) {
  Opened opened = open_to_read(operation_, path_, false);
  file_ = std::move(opened.file);
  size_ = opened.status.st_size;
}

void InputFile::read_at(Index offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t n =
        ::pread(file_.number(), to.data(), std::min(to.size(), std::size_t{1} << 30), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_file(operation_, path_, "read", errno, "a file that can be read");
    if (n == 0)
      fail_nowhere(operation_,
                   {.given = printable(path_) + " ends at byte " + std::to_string(offset) +
                             ", but had " + std::to_string(size_) + " bytes when it was opened",
                    .needed = "a file that nobody shortens meanwhile",
                    .hint = {}});
    to = to.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
}

std::string read_bytes(const std::string& operation, const std::string& path) {
  const Opened opened = open_to_read(operation, path, true);
  std::string bytes;
  std::size_t used = 0;
  // One more than its size shows the end of a file without another round; a pipe has size 0.
  bytes.resize(static_cast<std::size_t>(opened.status.st_size) + 1);
  while (true) {
    const ssize_t n = ::read(opened.file.number(), bytes.data() + used,
                             std::min(bytes.size() - used, std::size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_file(operation, path, "read", errno, "a file that can be read");
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
    if (used == bytes.size()) bytes.resize(std::max(2 * bytes.size(), chunk_bytes));
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace unroll::detail
