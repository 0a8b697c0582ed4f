#include <unroll/autograd/simd/kernel.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#define UNROLL_SIMD_BODY <unroll/autograd/simd/driver_body.h>
#include <unroll/autograd/simd/for_each_isa.h>
