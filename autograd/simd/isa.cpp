#include <unroll/autograd/simd/isa.h>

#include <cstdlib>
#include <string_view>

namespace unroll::simd {
namespace {

Isa widest() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::baseline;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return wide ? Isa::avx512 : Isa::avx2;
#else
  return Isa::baseline;
#endif
}

Isa choose() {
  const Isa best = widest();
  const char* text = std::getenv("UNROLL_ISA");
  if (text == nullptr) return best;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (std::string_view(text) == name_of(isa) && isa < best) return isa;
  return best;
}

}  // namespace

Isa active_isa() {
  static const Isa isa = choose();
  return isa;
}

bool has_isa(Isa isa) { return isa <= widest(); }

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    default:
      return "baseline";
  }
}

}  // namespace unroll::simd
