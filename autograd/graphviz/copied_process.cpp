#include <unroll/autograd/graphviz/detail/copied_process.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
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
    const std::string result = work() + complete;
    write_all(to, result);
    // Here, where nothing of it is freed yet: that may take locks.
    ::_exit(0);
  } catch (...) {  // out of memory; the other side sees that the result is not complete
  }
  ::_exit(0);
}

// Processor time of a process, in milliseconds; -1: not known.
std::int64_t time_used(pid_t process) {
  clockid_t clock = {};
  timespec used = {};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return -1;
  return std::int64_t{used.tv_sec} * 1000 + used.tv_nsec / 1'000'000;
}

// Whether there is something to read, or nothing more to come. False when the copy has done nothing
// for too long: a millisecond in a second, which a thread that keeps house may take, is nothing. It is
// looked at once a second: seconds in which both are stopped do not count.
bool wait_for(int file, pid_t copy, std::chrono::seconds patience) {
  std::int64_t used = -2;
  auto left = patience;
  while (left.count() > 0) {
    pollfd wanted{.fd = file, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wanted, 1, 1000);
    if (ready < 0 && errno == EINTR) continue;
    if (ready != 0) return true;
    const std::int64_t now = time_used(copy);
    left = now - used <= 1 ? left - std::chrono::seconds(1) : patience;
    used = now;
  }
  return false;
}

// Everything; false when the copy got stuck before its end.
bool read_all(int file, pid_t copy, std::chrono::seconds patience, std::string& bytes) {
  std::string part(std::size_t{1} << 16, '\0');
  while (wait_for(file, copy, patience)) {
    const ssize_t n = ::read(file, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    bytes.append(part, 0, static_cast<std::size_t>(n));
  }
  return false;
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

Outcome in_copied_process(const std::function<std::string()>& work, std::chrono::seconds patience) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  const pid_t copy = ::fork();
  if (copy == 0) run_as_copy(work, ends[1]);
  ::close(ends[1]);
  std::string bytes;
  const bool stuck = copy > 0 && !read_all(ends[0], copy, patience, bytes);
  ::close(ends[0]);
  if (copy < 0) return {};
  if (stuck) ::kill(copy, SIGKILL);
  const std::string end = how_it_ended(copy);
  if (stuck) return {.kind = Outcome::Kind::stuck};
  if (!bytes.ends_with(complete)) return {.kind = Outcome::Kind::died, .text = end};
  bytes.pop_back();
  return {.kind = Outcome::Kind::done, .text = std::move(bytes)};
}

bool copies_can_allocate() {
  return ::dlsym(RTLD_DEFAULT, "__sanitizer_get_current_allocated_bytes") == nullptr;
}

}  // namespace unroll::graph::detail
