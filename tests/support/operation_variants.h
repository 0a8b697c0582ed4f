#pragma once

#include <boost/test/unit_test.hpp>

#include "check_variants/operation_variants.h"
#include "support/numeric.h"

// The variants of operations for tests, and tests that bear the names of operations.
namespace unroll::test {

using namespace checks;

// A test of the same name for every registered operation. The registry is complete only when main
// runs, so the tests are made as late as Boost.Test allows.
class OperationCases : public boost::unit_test::test_unit_generator {
 public:
  OperationCases(void (*test)(const Operation&), const char* file) : test_(test), file_(file) {}
  boost::unit_test::test_unit* next() const override;

 private:
  void (*test_)(const Operation&);
  const char* file_;
  mutable std::size_t next_ = 0;
};

// For a const at namespace scope inside a suite.
inline boost::unit_test::ut_detail::auto_test_unit_registrar for_every_operation(
    void (*test)(const Operation&), const char* file) {
  return boost::unit_test::ut_detail::auto_test_unit_registrar(
      boost::shared_ptr<boost::unit_test::test_unit_generator>(new OperationCases(test, file)),
      boost::unit_test::decorator::collector_t::instance());
}

}  // namespace unroll::test
