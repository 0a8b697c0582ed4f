#include <cstdlib>
#include <string>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

#define UNROLL_SIMD_BODY <unroll/tests/autograd/simd/doubled_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

using namespace unroll;
using simd::Isa;

BOOST_AUTO_TEST_SUITE(simd_isa)

BOOST_AUTO_TEST_CASE(lowered_never_raised) {
  BOOST_TEST((simd::lowered(Isa::avx512, "avx2") == Isa::avx2));
  BOOST_TEST((simd::lowered(Isa::avx512, "baseline") == Isa::baseline));
  BOOST_TEST((simd::lowered(Isa::avx2, "avx512") == Isa::avx2));
  BOOST_TEST((simd::lowered(Isa::baseline, "avx2") == Isa::baseline));
  BOOST_TEST((simd::lowered(Isa::avx2, "") == Isa::avx2));
  BOOST_TEST((simd::lowered(Isa::avx2, "sse") == Isa::avx2));
}

BOOST_AUTO_TEST_CASE(active) {
  BOOST_TEST(simd::has_isa(Isa::baseline));
  BOOST_TEST(simd::has_isa(simd::active_isa()));
  const char* wish = std::getenv("UNROLL_ISA");
  if (wish != nullptr && std::string(wish) == "baseline")
    BOOST_TEST((simd::active_isa() == Isa::baseline));
  else if (wish == nullptr)
    for (const Isa isa : simd_test::isas_here()) BOOST_TEST((isa <= simd::active_isa()));
}

BOOST_AUTO_TEST_CASE(loops_of_a_library_source) {
  alignas(64) float x[32], y[32] = {};
  for (int i = 0; i < 32; ++i) x[i] = static_cast<float>(i);
  Index bytes = 0;
  simd::dispatch(simd::baseline::doubled<float>, simd::avx2::doubled<float>,
                 simd::avx512::doubled<float>)(x, 32, y, &bytes);
  for (int i = 0; i < 32; ++i) BOOST_TEST(y[i] == 2.0F * static_cast<float>(i));
  const Isa isa = simd::active_isa();
  BOOST_TEST(bytes == (isa == Isa::avx512 ? 64 : isa == Isa::avx2 ? 32 : 16));
#if defined(UNROLL_SIMD_BODY) || defined(UNROLL_SIMD_ISA) || defined(UNROLL_SIMD_BYTES)
  BOOST_ERROR("for_each_isa.h left a macro behind");
#endif
}

BOOST_AUTO_TEST_SUITE_END()
