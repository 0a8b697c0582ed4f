#pragma once

#include <unroll/autograd/index.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace unroll {

// Where in a model this thread is at work: the path of the innermost module and the time step.
struct Place {
  std::string path;  // empty: no module
  Index step = -1;   // -1: no time step
};
Place current_place();

struct Complaint;
// Throws an Error that happened in a given place, whatever scopes are open.
[[noreturn]] void fail_at(std::string_view operation, const Place& place,
                          const Complaint& complaint);

namespace detail {

// One open scope. Frames live on the stack of their thread and are linked outwards; opening one
// costs two stores. The path is asked for only when something is labelled or thrown.
class ScopeFrame {
 public:
  using PathOf = std::string (*)(const void* object);

  ScopeFrame(const void* object, PathOf path_of, Index step);
  ~ScopeFrame();
  ScopeFrame(const ScopeFrame&) = delete;
  ScopeFrame& operator=(const ScopeFrame&) = delete;

  const ScopeFrame* outer() const { return outer_; }
  bool names_module() const { return path_of_ != nullptr; }
  std::string path() const { return path_of_(object_); }
  Index step() const { return step_; }
  std::uint64_t id() const { return id_; }

 private:
  const ScopeFrame* outer_;
  const void* object_;
  PathOf path_of_;
  Index step_;
  std::uint64_t id_;
};

// The thread's innermost frame, and a number that changes whenever it does.
struct ScopeStack {
  const ScopeFrame* top = nullptr;
  std::uint64_t changes = 0;
};
extern constinit thread_local ScopeStack scopes;

const ScopeFrame* innermost_module();
Index innermost_step();

}  // namespace detail
}  // namespace unroll
