#pragma once

#include <unroll/autograd/index.h>

#include <chrono>
#include <string>

namespace gradcheck_tool {

using unroll::Index;

// Shows on stderr how far the checks are: a bar on a terminal, a line now and then elsewhere. One
// thread at a time.
class Progress {
 public:
  explicit Progress(bool quiet);

  void begin(Index variants);
  void done(const std::string& row, bool ok);
  void end();
  double seconds() const;

 private:
  void show(const std::string& row);

  bool quiet_;
  bool terminal_;
  Index variants_ = 0;
  Index done_ = 0;
  Index failed_ = 0;
  double shown_at_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace gradcheck_tool
