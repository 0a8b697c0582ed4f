#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/relations.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>

#include <algorithm>

namespace unroll {
namespace {

// A function of two operands and the same with a number for the second. The number is captured.
template <class F, class K>
class Relation {
 public:
  constexpr Relation(const char* name, const F& f, const K& with_number)
      : of_two_{.name = name, .pointwise = &simd::pointwise_table<F, 2, 0>()},
        of_one_{.name = name, .pointwise = &simd::pointwise_table<WithNumber, 1, 0>()},
        f_(f),
        with_number_(with_number) {}

  Tensor operator()(const Tensor& x, const Tensor& y) const {
    detail::require_defined(of_two_.name, "operand 0", x);
    detail::require_defined(of_two_.name, "operand 1", y);
    if (x.dtype() == i64 && y.dtype() == i64) return of_ids(x, y);
    const std::array<const Tensor*, 2> in{&x, &y};
    Tensor mask;
    detail::pointwise_values(of_two_, &f_, in.data(), &mask);
    return mask;
  }

  Tensor operator()(const Tensor& x, double y) const {
    detail::require_defined(of_one_.name, "x", x);
    const WithNumber f = with_number_(y);
    if (x.dtype() == i64) return each_id(x, [&](Index a) { return f(static_cast<double>(a)); });
    const Tensor* const in = &x;
    Tensor mask;
    detail::pointwise_values(of_one_, &f, &in, &mask);
    return mask;
  }

 private:
  using WithNumber = std::invoke_result_t<const K&, double>;

  Tensor of_ids(const Tensor& x, const Tensor& y) const {
    Shape shape;
    if (!broadcast(x.shape(), y.shape(), shape))
      fail(of_two_.name, {.given = describe(x) + " and " + describe(y) + " do not broadcast",
                          .needed = "equal extents, or 1, counted from the last axis",
                          .hint = "reshape(x, {…, 1}) lines an axis up"});
    const Tensor other = contiguous(expand(y, shape));
    const auto* b = detail::data<Index>(other);
    return each_id(expand(x, shape), [&](Index a) { return f_(a, *b++); });
  }

  template <class G>
  static Tensor each_id(const Tensor& x, const G& f) {
    const Tensor dense = contiguous(x);
    const auto ids = dense.span<Index>();
    Tensor mask = detail::empty(x.shape(), f32);
    std::transform(ids.begin(), ids.end(), detail::data<float>(mask),
                   [&](Index a) { return static_cast<float>(f(a)); });
    return mask;
  }

  Operation of_two_, of_one_;
  F f_;
  K with_number_;
};

constexpr Relation less(
    "less", [](auto x, auto y) { return where(x < y, 1.0, 0.0); },
    [](double k) { return [k](auto x) { return where(x < k, 1.0, 0.0); }; });
constexpr Relation less_equal(
    "less_equal", [](auto x, auto y) { return where(x <= y, 1.0, 0.0); },
    [](double k) { return [k](auto x) { return where(x <= k, 1.0, 0.0); }; });
constexpr Relation greater(
    "greater", [](auto x, auto y) { return where(x > y, 1.0, 0.0); },
    [](double k) { return [k](auto x) { return where(x > k, 1.0, 0.0); }; });
constexpr Relation greater_equal(
    "greater_equal", [](auto x, auto y) { return where(x >= y, 1.0, 0.0); },
    [](double k) { return [k](auto x) { return where(x >= k, 1.0, 0.0); }; });
constexpr Relation equal(
    "equal", [](auto x, auto y) { return where(x == y, 1.0, 0.0); },
    [](double k) { return [k](auto x) { return where(x == k, 1.0, 0.0); }; });
constexpr Relation not_equal(
    "not_equal", [](auto x, auto y) { return where(x != y, 1.0, 0.0); },
    [](double k) { return [k](auto x) { return where(x != k, 1.0, 0.0); }; });

// True as 1 and false as 0, in a floating dtype of its own.
Tensor as_truth(const Tensor& mask) { return not_equal(mask, 0.0); }

// 1 and 0 in the dtype of `like`.
Tensor as_truth(const Tensor& mask, const Tensor& like) {
  return as_truth(mask).to(like.dtype() == i64 ? f32 : like.dtype());
}

bool holds_anywhere(const Tensor& mask) {
  const Tensor dense = contiguous(detach(mask));
  return visit(mask.dtype(), [&]<class T>(T) {
    const auto all = dense.span<T>();
    return std::any_of(all.begin(), all.end(), [](T x) { return x != T(0); });
  });
}

}  // namespace

Tensor operator<(const Tensor& x, const Tensor& y) { return less(x, y); }
Tensor operator<=(const Tensor& x, const Tensor& y) { return less_equal(x, y); }
Tensor operator>(const Tensor& x, const Tensor& y) { return greater(x, y); }
Tensor operator>=(const Tensor& x, const Tensor& y) { return greater_equal(x, y); }
Tensor operator==(const Tensor& x, const Tensor& y) { return equal(x, y); }
Tensor operator!=(const Tensor& x, const Tensor& y) { return not_equal(x, y); }

Tensor operator<(const Tensor& x, double y) { return less(x, y); }
Tensor operator<=(const Tensor& x, double y) { return less_equal(x, y); }
Tensor operator>(const Tensor& x, double y) { return greater(x, y); }
Tensor operator>=(const Tensor& x, double y) { return greater_equal(x, y); }
Tensor operator==(const Tensor& x, double y) { return equal(x, y); }
Tensor operator!=(const Tensor& x, double y) { return not_equal(x, y); }

Tensor operator&(const Tensor& a, const Tensor& b) {
  detail::require_defined("and", "operand 0", a);
  detail::require_defined("and", "operand 1", b);
  return as_truth(a) * as_truth(b, a);
}
Tensor operator|(const Tensor& a, const Tensor& b) {
  detail::require_defined("or", "operand 0", a);
  detail::require_defined("or", "operand 1", b);
  return as_truth(as_truth(a) + as_truth(b, a));
}
Tensor operator!(const Tensor& mask) { return equal(mask, 0.0); }

bool any(const Tensor& mask) {
  detail::require_defined("any", "mask", mask);
  return holds_anywhere(mask);
}
bool all(const Tensor& mask) {
  detail::require_defined("all", "mask", mask);
  return !holds_anywhere(!mask);
}
Tensor any(const Tensor& mask, const Axes& axes, const ReduceOptions& options) {
  detail::require_defined("any", "mask", mask);
  return sum(as_truth(mask), axes, options) != 0.0;
}
Tensor all(const Tensor& mask, const Axes& axes, const ReduceOptions& options) {
  detail::require_defined("all", "mask", mask);
  return sum(!mask, axes, options) == 0.0;
}

namespace detail {

Tensor mask_in(const char* operation, const Tensor& mask, DType dtype) {
  require_defined(operation, "mask", mask);
  if (mask.dtype() != dtype) return as_truth(mask).to(dtype);
  const Header& h = *mask.header();
  return h.tape == 0 && !h.is(Header::leaf) ? mask : detach(mask);
}

}  // namespace detail
}  // namespace unroll
