#include <unroll/autograd/detail/recording.h>
#include <unroll/nn/generate.h>

namespace unroll::detail {

WithoutTape::WithoutTape() : before_(tapes.current) { tapes.current = nullptr; }

WithoutTape::~WithoutTape() { tapes.current = before_; }

void fail_generate(const char* given, const char* needed, const char* hint) {
  fail("generate", {.given = given, .needed = needed, .hint = hint});
}

}  // namespace unroll::detail
