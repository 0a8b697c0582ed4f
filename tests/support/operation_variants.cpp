#include "support/operation_variants.h"

namespace unroll::test {

boost::unit_test::test_unit* OperationCases::next() const {
  const auto all = registered_operations();
  if (next_ == all.size()) return nullptr;
  const Operation* operation = all[next_++];
  return boost::unit_test::make_test_case([operation, test = test_] { test(*operation); },
                                          operation->name, file_, 0);
}

}  // namespace unroll::test
