#include <unroll/nn/generate.h>

namespace unroll::detail {

void fail_generate(const char* given, const char* needed, const char* hint) {
  fail("generate", {.given = given, .needed = needed, .hint = hint});
}

}  // namespace unroll::detail
