#include "progress.h"

#include <cmath>
#include <cstdio>

#include <unistd.h>

namespace gradcheck_tool {

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::begin(Index variants) {
  variants_ = variants;
  start_ = std::chrono::steady_clock::now();
}

void Progress::done(const std::string& row, bool ok) {
  ++done_;
  failed_ += ok ? 0 : 1;
  const double now = seconds();
  if (quiet_ || now - shown_at_ < (terminal_ ? 0.1 : 5.0)) return;
  shown_at_ = now;
  show(row);
}

void Progress::show(const std::string& row) {
  const double share = static_cast<double>(done_) / static_cast<double>(variants_);
  std::string line;
  if (terminal_) {
    constexpr std::size_t width = 24;
    const auto full = static_cast<std::size_t>(share * width);
    line = "\r[" + std::string(full, '#') + std::string(width - full, '.') + "] ";
  }
  line += std::to_string(done_) + "/" + std::to_string(variants_) + " variants";
  if (failed_ > 0) line += ", " + std::to_string(failed_) + " fail";
  const long left = std::lround(seconds() * (1 - share) / share);
  char text[64];
  std::snprintf(text, sizeof text, ", %ld:%02ld left  ", left / 60, left % 60);
  line += text + row.substr(0, 32);
  line += terminal_ ? "\x1b[K" : "\n";
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void Progress::end() {
  if (terminal_ && !quiet_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace gradcheck_tool
