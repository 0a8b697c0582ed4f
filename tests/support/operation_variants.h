#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/operand_layouts.h"

// What is judged of an operation, made from its check row.
namespace unroll::test {

// A function of leaves in f64, some of which may be constants of the tape. Their numbers are exact
// in f32 too.
struct Variant {
  std::string name = {};
  std::vector<Tensor> leaves = {};  // i64 among them are ids
  Function f = {};
  Function dense_f =
      {};  // the same on dense copies of the operands; empty where f takes them as they are
  unsigned constants = 0;  // bit i: leaf i is not watched
  bool gaps = false;       // leaves and upstream gradient without dense storage
  bool alone = true;       // one call of the operation, of views at most: no other rounding
  double scale = 1;        // where terms of the gradients may cancel: how large they are
};
bool is_watched(const Variant& v, std::size_t leaf);

// Every variant of every case, drawn anew by each call: operands in every layout, several ranks and
// sizes, empty ones among them, broadcasting, the same tensor twice, every subset of constants.
std::vector<Variant> variants_of(const Check& check, Rng& rng);

std::vector<Tensor> draw_all(const CheckCase& c, Rng& rng);
// The case with one extent, wherever its inputs have it, replaced; none where no input has it.
std::optional<CheckCase> resized(const CheckCase& c, Index from, Index to);
// The extents that the inputs of a case have, each once.
std::vector<Index> extents_of(const CheckCase& c);

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
