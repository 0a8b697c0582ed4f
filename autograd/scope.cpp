#include <unroll/autograd/scope.h>

namespace unroll {
namespace detail {

constinit thread_local ScopeStack scopes;

ScopeFrame::ScopeFrame(const void* object, PathOf path_of, Index step)
    : outer_(scopes.top), object_(object), path_of_(path_of), step_(step), id_(++scopes.changes) {
  scopes.top = this;
}

ScopeFrame::~ScopeFrame() {
  scopes.top = outer_;
  ++scopes.changes;
}

const ScopeFrame* innermost_module() {
  const ScopeFrame* frame = scopes.top;
  while (frame != nullptr && !frame->names_module()) frame = frame->outer();
  return frame;
}

Index innermost_step() {
  for (const ScopeFrame* frame = scopes.top; frame != nullptr; frame = frame->outer())
    if (frame->step() >= 0) return frame->step();
  return -1;
}

}  // namespace detail

Place current_place() {
  const detail::ScopeFrame* module = detail::innermost_module();
  return {.path = module != nullptr ? module->path() : std::string(),
          .step = detail::innermost_step()};
}

}  // namespace unroll
