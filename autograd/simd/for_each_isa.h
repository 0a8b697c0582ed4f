// Compiles one file of loops once for every instruction set. No #pragma once: include it for every
// such file.
//
//   // softmax.cpp
//   #include <unroll/autograd/simd/packet.h>
//   #define UNROLL_SIMD_BODY <unroll/autograd/ops/softmax_kernels.h>
//   #include <unroll/autograd/simd/for_each_isa.h>
//
//   // softmax_kernels.h: no #pragma once and no #include
//   namespace unroll::simd::UNROLL_SIMD_ISA {
//   namespace {
//   template <class T>
//   [[gnu::flatten]] void softmax_rows(const T* x, Index rows, Index columns, T* y) {
//     ... Packet<T>::load(x + c) ... Packet<T>::size elements, of this instruction set ...
//   }
//   }  // namespace
//   }  // namespace unroll::simd::UNROLL_SIMD_ISA
//
//   // softmax.cpp again: run the one for this processor
//   simd::dispatch(simd::baseline::softmax_rows<float>, simd::avx2::softmax_rows<float>,
//                  simd::avx512::softmax_rows<float>)(x, rows, columns, y);
//
// Keep the functions in an unnamed namespace, or the linker may join what must differ. Between
// functions hand packets on as Packet, never as a bare vector, and use no lambda that touches one:
// it would be compiled for the baseline. Reserved: UNROLL_SIMD_BODY, UNROLL_SIMD_ISA (the
// namespace), UNROLL_SIMD_BYTES (of a register); all are undefined again behind the include.

#include <unroll/autograd/simd/isa.h>

#define UNROLL_SIMD_ISA baseline
#define UNROLL_SIMD_BYTES 16
#include UNROLL_SIMD_BODY
#undef UNROLL_SIMD_BYTES
#undef UNROLL_SIMD_ISA

#if defined(__x86_64__)

#define UNROLL_SIMD_ISA avx2
#define UNROLL_SIMD_BYTES 32
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include UNROLL_SIMD_BODY
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#include UNROLL_SIMD_BODY
#pragma GCC pop_options
#endif
#undef UNROLL_SIMD_BYTES
#undef UNROLL_SIMD_ISA

#define UNROLL_SIMD_ISA avx512
#define UNROLL_SIMD_BYTES 64
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))), apply_to = function)
#include UNROLL_SIMD_BODY
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl")
#include UNROLL_SIMD_BODY
#pragma GCC pop_options
#endif
#undef UNROLL_SIMD_BYTES
#undef UNROLL_SIMD_ISA

#endif

#undef UNROLL_SIMD_BODY
