#include <unroll/autograd/graphviz/detail/copied_process.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace unroll::graph::detail {
namespace {

constexpr char complete = '.';  // the last byte of a whole result

// Handlers are the program's: a test framework's would go on with the tests in the copy.
void forget_handlers() {
  for (const int number : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTERM, SIGINT, SIGHUP,
                           SIGQUIT, SIGALRM, SIGTRAP, SIGSYS})
    static_cast<void>(std::signal(number, SIG_DFL));
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  constexpr rlimit none{.rlim_cur = 0, .rlim_max = 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
}

void be_silent() {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  static_cast<void>(::dup2(nowhere, STDOUT_FILENO));
  static_cast<void>(::dup2(nowhere, STDERR_FILENO));
}

void write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

[[noreturn]] void run_as_copy(const std::function<std::string()>& work, int to) {
  forget_handlers();
  be_silent();
  try {
    write_all(to, work() + complete);
  } catch (...) {  // out of memory; the other side sees that the result is not complete
  }
  ::_exit(0);
}

std::string read_all(int file) {
  std::string bytes;
  std::string part(std::size_t{1} << 16, '\0');
  while (true) {
    const ssize_t n = ::read(file, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return bytes;
    bytes.append(part, 0, static_cast<std::size_t>(n));
  }
}

// A program may reap all its children elsewhere; then nobody knows.
std::string how_it_ended(pid_t copy) {
  int status = 0;
  pid_t ended = -1;
  do {
    ended = ::waitpid(copy, &status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended != copy || !WIFSIGNALED(status)) return "it ended early";
  return std::string("it ended by ") + ::strsignal(WTERMSIG(status));
}

}  // namespace

Outcome in_copied_process(const std::function<std::string()>& work) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  const pid_t copy = ::fork();
  if (copy == 0) run_as_copy(work, ends[1]);
  ::close(ends[1]);
  std::string bytes;
  if (copy > 0) bytes = read_all(ends[0]);
  ::close(ends[0]);
  if (copy < 0) return {};
  const std::string end = how_it_ended(copy);
  if (!bytes.ends_with(complete)) return {.kind = Outcome::Kind::died, .text = end};
  bytes.pop_back();
  return {.kind = Outcome::Kind::done, .text = std::move(bytes)};
}

}  // namespace unroll::graph::detail
