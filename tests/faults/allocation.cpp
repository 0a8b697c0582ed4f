#include "faults/allocation.h"

#include <unroll/autograd/pool.h>

#include <cstdlib>
#include <new>

namespace {

constinit thread_local long left = 0;  // 0: none fails
constinit thread_local bool failed = false;

bool fails_now() {
  if (left == 0 || --left != 0) return false;
  failed = true;
  return true;
}

}  // namespace

namespace unroll::test {

FailingAllocation::FailingAllocation(long k) {
  failed = false;
  left = k;
}
FailingAllocation::~FailingAllocation() { left = 0; }
bool FailingAllocation::has_failed() { return failed; }

}  // namespace unroll::test

// The linker sends the library's calls here (--wrap).
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);
std::byte* __real__ZN6unroll6detail9pool_takeEh(std::uint8_t block_class);

void* __wrap_malloc(std::size_t bytes) { return fails_now() ? nullptr : __real_malloc(bytes); }
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return fails_now() ? nullptr : __real_aligned_alloc(alignment, bytes);
}
std::byte* __wrap__ZN6unroll6detail9pool_takeEh(std::uint8_t block_class) {
  if (fails_now()) throw std::bad_alloc();
  return __real__ZN6unroll6detail9pool_takeEh(block_class);
}
}

void* operator new(std::size_t bytes) {
  if (!fails_now())
    if (void* p = __real_malloc(bytes)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto a = static_cast<std::size_t>(alignment);
  if (!fails_now())
    if (void* p = __real_aligned_alloc(a, (bytes + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return operator new(bytes, a); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
