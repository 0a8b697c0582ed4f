#pragma once

#include <unroll/autograd/compare.h>

#include <vector>

#include <boost/test/unit_test.hpp>

namespace unroll::test {

// As many tensors, each the same to the bit.
inline void check_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  BOOST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    BOOST_TEST_CONTEXT("tensor " << i) BOOST_TEST(all_equal(a[i], b[i]));
}

}  // namespace unroll::test
