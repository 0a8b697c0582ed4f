#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace unroll::detail {

// Until the end of the block this thread takes numbers below the least normal one for 0, which
// saves arithmetic on them that is many times slower. The caller's mode is put back, with the
// exceptions that were raised.
class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() : before_(_mm_getcsr() & both) {
    if (before_ != both) _mm_setcsr(_mm_getcsr() | both);
  }
  ~FlushDenormals() {
    if (before_ != both) _mm_setcsr((_mm_getcsr() & ~both) | before_);
  }

 private:
  static constexpr unsigned both = 0x8040;  // flush to zero, denormals are zero
  unsigned before_;
#else
  FlushDenormals() = default;
  ~FlushDenormals() = default;
#endif

 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace unroll::detail
