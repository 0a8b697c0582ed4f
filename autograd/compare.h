#pragma once

#include <unroll/autograd/tensor.h>

#include <iosfwd>
#include <string>

namespace unroll {

// What a comparison of two tensors found. Converts explicitly to bool and prints, so that
// BOOST_TEST(all_close(a, b, {.relative = 1e-12})) says what is wrong.
class CloseReport {
 public:
  CloseReport(bool ok, std::string text) : ok_(ok), text_(std::move(text)) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const std::string& text() const { return text_; }
  friend std::ostream& operator<<(std::ostream& out, const CloseReport& report);

 private:
  bool ok_;
  std::string text_;
};

struct CloseOptions {
  double relative = 1e-5;
  double absolute = 0;
};

// |a - b| <= absolute + relative · max(|a|, |b|) everywhere; equal shapes and dtypes. Two NaN are
// not close.
CloseReport all_close(const Tensor& a, const Tensor& b, const CloseOptions& options = {});
// Equal to the bit; NaN equals the same NaN, and 0 is not -0.
CloseReport all_equal(const Tensor& a, const Tensor& b);

}  // namespace unroll
