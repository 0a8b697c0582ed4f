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
  const char* wish = std::getenv("UNROLL_ISA");
  return wish == nullptr ? widest() : lowered(widest(), wish);
}

}  // namespace

Isa active_isa() {
  static const Isa isa = choose();
  return isa;
}

Isa lowered(Isa widest, std::string_view wish) {
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (wish == name_of(isa) && isa < widest) return isa;
  return widest;
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
