#pragma once

#include <unroll/autograd/index.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace unroll {

// The one exception of the library. Its text has one form:
//   [operation] at path, t=step: what was given; needed what; hint: code that can be typed
class Error : public std::runtime_error {
 public:
  Error(std::string operation, std::string path, Index step, const std::string& text);

  const std::string& operation() const { return operation_; }
  // Path of the module at work when it was thrown ("encoder.lstm.0.forward"); empty where unknown.
  const std::string& path() const { return path_; }
  // Time step at work when it was thrown; -1 where there is none.
  Index step() const { return step_; }

 private:
  std::string operation_;
  std::string path_;
  Index step_;
};

// The parts of an error. `hint` may be empty.
struct Complaint {
  std::string given;
  std::string needed;
  std::string hint;
};

// Throws an Error; path and step come from the scopes open on this thread.
[[noreturn]] void fail(std::string_view operation, const Complaint& complaint);

// The same without "at path, t=step": for what concerns no place in a model.
[[noreturn]] void fail_nowhere(std::string_view operation, const Complaint& complaint);

}  // namespace unroll
