#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/ops/order.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <numeric>

namespace unroll {
namespace {

using detail::is_nan;

// Orders of the positions of a row. Each is total: of equals the lower position comes first, so
// that any way of sorting is a stable one.
template <class T>
struct Ascending {
  const T* x;
  bool operator()(Index a, Index b) const {
    if (is_nan(x[a]) || is_nan(x[b])) return is_nan(x[a]) == is_nan(x[b]) ? a < b : is_nan(x[b]);
    return x[a] == x[b] ? a < b : x[a] < x[b];
  }
};
template <class T>
struct Descending {
  const T* x;
  bool operator()(Index a, Index b) const {
    if (is_nan(x[a]) || is_nan(x[b])) return is_nan(x[a]) == is_nan(x[b]) ? a < b : is_nan(x[b]);
    return x[a] == x[b] ? a < b : x[a] > x[b];
  }
};
template <class T>
struct LargestFirst {
  const T* x;
  bool operator()(Index a, Index b) const {
    if (is_nan(x[a]) || is_nan(x[b])) return is_nan(x[a]) == is_nan(x[b]) ? a < b : is_nan(x[a]);
    return x[a] == x[b] ? a < b : x[a] > x[b];
  }
};

enum class How { ascending, descending, largest_first };

// The axis as the last one, so that lines lie in rows; brought back by the same exchange.
Tensor as_last(const Tensor& x, Index axis) {
  return detail::dense_copy(axis + 1 == x.rank() ? x : transpose(x, axis, -1));
}

template <template <class> class Before, class T>
void order_rows(const T* x, Index rows, Index n, Index k, Index* positions) {
  detail::parallel_for(rows, std::max<Index>(1, 4096 / std::max<Index>(1, n)),
                       [&](Index begin, Index end) {
                         std::vector<Index> at(static_cast<std::size_t>(n));
                         for (Index r = begin; r < end; ++r) {
                           std::iota(at.begin(), at.end(), Index{0});
                           std::partial_sort(at.begin(), at.begin() + (k < n ? k : 0), at.end(),
                                             Before<T>{x + r * n});
                           if (k == n) std::sort(at.begin(), at.end(), Before<T>{x + r * n});
                           std::copy_n(at.begin(), k, positions + r * k);
                         }
                       });
}

// Positions along the axis, the axis last.
Tensor ordered(const Tensor& rows, Index k, How how) {
  Tensor positions = detail::empty(rows.shape().with(-1, k), i64);
  const Index n = rows.size(-1);
  if (positions.size() == 0) return positions;
  visit(rows.dtype(), [&]<class T>(T) {
    const T* x = detail::data<T>(rows);
    Index* to = detail::data<Index>(positions);
    if (how == How::ascending) order_rows<Ascending>(x, rows.size() / n, n, k, to);
    if (how == How::descending) order_rows<Descending>(x, rows.size() / n, n, k, to);
    if (how == How::largest_first) order_rows<LargestFirst>(x, rows.size() / n, n, k, to);
  });
  return positions;
}

Sorted take_ordered(const Operation& operation, const Tensor& x, Index at, Index k, How how) {
  const Tensor rows = as_last(detach(x), at);
  const Tensor places = ordered(rows, k, how);
  const Index n = x.size(at);
  Index inner = 1;
  for (Index i = at + 1; i < x.rank(); ++i) inner *= x.size(i);
  const Tensor positions = as_last(places, at);
  // Row-major positions in x, in the order of the result.
  Tensor flat = detail::empty(positions.shape(), i64);
  const Index* place = detail::data<Index>(positions);
  for (Index i = 0; i < flat.size(); ++i)
    detail::data<Index>(flat)[i] = (i / (k * inner) * n + place[i]) * inner + i % inner;
  Tensor values = detail::record(operation, {&x}, gather_flat(detach(x), flat), {&flat});
  return {.values = std::move(values), .positions = positions};
}

Check order_check(const std::function<Tensor(const Tensor&, Index)>& f) {
  Check check;
  for (const Index axis : {-1, 0, 1})
    check.cases.push_back({.name = "axis " + std::to_string(axis),
                           .inputs = {{.shape = {3, 2, 4}, .spaced = true}},
                           .call = [=](std::span<const Tensor> in) { return f(in[0], axis); }});
  return check;
}

const RegisteredOperation sort_op{
    {.name = "sort",
     .derivative = detail::flat_derivative,
     .check =
         [] {
           return order_check([](const Tensor& x, Index axis) {
             return sort(x, axis, {.descending = axis == 0}).values;
           });
         },
     .formula =
         "x in order, NaN last, equals as they stood, ±0 among them; dx = dy back where it was"}};
const RegisteredOperation top_k_op{
    {.name = "top_k",
     .derivative = detail::flat_derivative,
     .check =
         [] {
           return order_check([](const Tensor& x, Index axis) { return top_k(x, 2, axis).values; });
         },
     .formula = "the k largest, NaN first, of equals the first; dx = dy back where it was"}};

How direction(const SortOptions& options) {
  return options.descending ? How::descending : How::ascending;
}

}  // namespace

Sorted sort(const Tensor& x, Index axis, const SortOptions& options) {
  detail::require_defined("sort", "x", x);
  const Index at = normalize_axis("sort", axis, x.rank());
  return take_ordered(sort_op, x, at, x.size(at), direction(options));
}

Tensor argsort(const Tensor& x, Index axis, const SortOptions& options) {
  detail::require_defined("argsort", "x", x);
  const Index at = normalize_axis("argsort", axis, x.rank());
  return as_last(ordered(as_last(detach(x), at), x.size(at), direction(options)), at);
}

Sorted top_k(const Tensor& x, Index k, Index axis) {
  detail::require_defined("top_k", "x", x);
  const Index at = normalize_axis("top_k", axis, x.rank());
  if (k < 0 || k > x.size(at))
    fail("top_k", {.given = "k = " + std::to_string(k) + " of x " + describe(x) + " along axis " +
                            std::to_string(axis),
                   .needed = "0 <= k <= " + std::to_string(x.size(at)),
                   .hint = {}});
  return take_ordered(top_k_op, x, at, k, How::largest_first);
}

}  // namespace unroll
