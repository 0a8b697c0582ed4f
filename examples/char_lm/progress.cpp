#include "progress.h"

#include <cstdio>
#include <numbers>

#include <unistd.h>

Progress::Progress(unroll::Index steps) : steps_(steps), terminal_(isatty(STDOUT_FILENO) != 0) {}

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::show(unroll::Index done, double train_nats, double valid_nats, double characters) {
  const double now = seconds();
  const double pause = terminal_ ? 0.1 : 5.0;
  if (done < steps_ && shown_at_ >= 0 && now - shown_at_ < pause) return;
  shown_at_ = now;
  const double share = steps_ > 0 ? static_cast<double>(done) / static_cast<double>(steps_) : 1.0;
  const double left = share > 0 ? now * (1 - share) / share : 0;
  std::string line;
  if (terminal_) {
    constexpr int width = 24;
    const int full = static_cast<int>(share * width);
    line = "\r[" + std::string(static_cast<std::size_t>(full), '#') +
           std::string(static_cast<std::size_t>(width - full), '.') + "] ";
  }
  char text[160];
  std::snprintf(text, sizeof text, "step %lld/%lld  loss %.3f nats %.2f bits/char",
                static_cast<long long>(done), static_cast<long long>(steps_), train_nats,
                train_nats / std::numbers::ln2);
  line += text;
  if (valid_nats >= 0) {
    std::snprintf(text, sizeof text, "  valid %.3f", valid_nats);
    line += text;
  }
  std::snprintf(text, sizeof text, "  %.0fk chars/s  %d:%02d left", characters / now / 1000,
                static_cast<int>(left) / 60, static_cast<int>(left) % 60);
  line += text;
  line += terminal_ ? "\x1b[K" : "\n";
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
}

void Progress::finish() {
  if (terminal_) std::fputs("\n", stdout);
}
