#pragma once

#include <unroll/autograd/detail/recording.h>

namespace unroll::detail {

// Around a function of the user's that runs inside an operation or a pass: tapes that it opens and
// ends leave the thread's current tape as it was.
class UserCode {
 public:
  UserCode() : current_(tapes.current), top_(current_ == nullptr ? tapes.top : nullptr) {
    if (top_ != nullptr) ++top_->paused;
  }
  ~UserCode() {
    if (top_ != nullptr) --top_->paused;
    tapes.current = current_;
  }
  UserCode(const UserCode&) = delete;
  UserCode& operator=(const UserCode&) = delete;

 private:
  Recording* current_;
  Recording* top_;  // would become current again when a tape on it ends
};

}  // namespace unroll::detail
