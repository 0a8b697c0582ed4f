// Gradients as values: accumulating, sparse rows, norms.
#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(gradient_values)

BOOST_AUTO_TEST_CASE(accumulating_dense_and_sparse) {
  const Tensor W = make_parameter(tensor({1.0, 2.0}), "b.W"),
               T = make_parameter(ones({5, 2}), "a.table");
  const Tensor other = make_parameter(tensor({3.0}), "c.other");
  const auto lookup = [&](const Tensor& ids) {
    Tape tape;
    return tape.backward(sum(embedding(T, ids) * W));
  };
  Gradients total;
  BOOST_TEST(total.empty());
  total += lookup(tensor({4, 1, 4}));
  BOOST_TEST(total.size() == 2);
  BOOST_TEST(total.find(T)->is_sparse());
  BOOST_TEST(all_equal(total.find(T)->sparse.ids, tensor({1, 4})));
  BOOST_TEST(all_equal(total.find(T)->sparse.values, tensor({{1.0, 2.0}, {2.0, 4.0}})));
  total += lookup(tensor({0, 4}));
  BOOST_TEST(all_equal(total.find(T)->sparse.ids, tensor({0, 1, 4})));
  BOOST_TEST(
      all_equal(total[T], tensor({{1.0, 2.0}, {1.0, 2.0}, {0.0, 0.0}, {0.0, 0.0}, {3.0, 6.0}})));
  BOOST_TEST(all_equal(total[W], tensor({5.0, 5.0})));
  {
    Tape tape;
    total += tape.backward(sum(T * 0.5) + sum(other));
  }
  BOOST_TEST(!total.find(T)->is_sparse());
  BOOST_TEST(
      all_equal(total[T], tensor({{1.5, 2.5}, {1.5, 2.5}, {0.5, 0.5}, {0.5, 0.5}, {3.5, 6.5}})));
  total *= 2.0;
  BOOST_TEST(all_equal(total[other], tensor({2.0})));
  std::string paths;
  for (const auto& entry : total) paths += entry.path + " ";
  BOOST_TEST(paths == "a.table b.W c.other ");
  BOOST_TEST(error_text([&] { static_cast<void>(lookup(tensor({0}))[other]); }) ==
             "[gradients] no gradient of c.other f32 [1]; needed a parameter that the loss "
             "reached; hint: grads.contains(p) "
             "asks; a frozen parameter has none");
}

BOOST_AUTO_TEST_CASE(sparse_rows_and_dense_use_of_one_table) {
  const Tensor T = make_parameter(tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}), "T");
  Tape tape;
  const Tensor loss = sum(square(T)) + sum(embedding(T, tensor({2, 2, 0})));
  BOOST_TEST(all_equal(tape.backward(loss)[T], tensor({{3.0, 5.0}, {6.0, 8.0}, {12.0, 14.0}})));
}

BOOST_AUTO_TEST_CASE(norm_does_not_overflow) {
  const Tensor p = make_parameter(ones({3}), "p"), q = make_parameter(ones({4}), "q");
  const auto gradients = [&](double a, double b) {
    Tape tape;
    return tape.backward(sum(p * a) + sum(q * b));
  };
  BOOST_TEST(gradients(2, 3).norm() == std::sqrt(12.0 + 36.0), boost::test_tools::tolerance(1e-7));
  BOOST_TEST(gradients(1e30, 0).norm() == 1e30 * std::sqrt(3.0),
             boost::test_tools::tolerance(1e-6));
  BOOST_TEST(gradients(1e-30, 0).norm() == 1e-30 * std::sqrt(3.0),
             boost::test_tools::tolerance(1e-6));
  BOOST_TEST(Gradients().norm() == 0.0);
  BOOST_TEST(std::isnan(gradients(std::nan(""), 1).norm()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
