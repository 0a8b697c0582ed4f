#pragma once

#include <string_view>

namespace unroll::simd {

// The instruction sets that kernels are compiled for. avx2 means AVX2 and FMA; avx512 means F, DQ,
// BW and VL. On other processors than x86-64 only the baseline exists.
enum class Isa { baseline, avx2, avx512 };
inline constexpr int isa_count = 3;

// The widest set that this processor and operating system have, found once. The environment
// variable UNROLL_ISA=baseline|avx2|avx512 may lower it, never raise it; other values are ignored.
Isa active_isa();

// What UNROLL_ISA=wish makes of the widest set.
Isa lowered(Isa widest, std::string_view wish);

// Whether code compiled for `isa` can run here, whatever UNROLL_ISA says.
bool has_isa(Isa isa);

const char* name_of(Isa isa);

}  // namespace unroll::simd
