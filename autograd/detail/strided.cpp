#include <unroll/autograd/detail/strided.h>

#include <algorithm>
#include <cstring>

namespace unroll::detail {
namespace {

// Walks two tensors of one shape. Axes that lie alike in both are taken together first, so that the
// inner loop is long.
struct Walk {
  Index rank = 0;
  std::array<Index, Shape::max_rank> extents{};
  std::array<Index, Shape::max_rank> from{};
  std::array<Index, Shape::max_rank> to{};
};

Walk plan(std::span<const Index> extents, std::span<const Index> from, std::span<const Index> to) {
  Walk w;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] == 1) continue;
    const auto last = static_cast<std::size_t>(w.rank - 1);
    if (w.rank > 0 && w.from[last] == from[i] * extents[i] && w.to[last] == to[i] * extents[i]) {
      w.extents[last] *= extents[i];
      w.from[last] = from[i];
      w.to[last] = to[i];
    } else {
      const auto at = static_cast<std::size_t>(w.rank++);
      w.extents[at] = extents[i];
      w.from[at] = from[i];
      w.to[at] = to[i];
    }
  }
  if (w.rank == 0) {
    w.rank = 1;
    w.extents[0] = 1;
  }
  return w;
}

template <class Inner>
void walk(const Walk& w, Index axis, Index from, Index to, const Inner& inner) {
  const auto at = static_cast<std::size_t>(axis);
  if (axis + 1 == w.rank) {
    inner(from, to, w.extents[at], w.from[at], w.to[at]);
    return;
  }
  for (Index i = 0; i < w.extents[at]; ++i)
    walk(w, axis + 1, from + i * w.from[at], to + i * w.to[at], inner);
}

template <bool Add, class T>
void move(const Tensor& from, const Tensor& to) {
  const T* source = data<T>(from);
  T* target = data<T>(to);
  walk(plan(extents(from), strides(from), strides(to)), 0, 0, 0,
       [&](Index f, Index t, Index n, Index from_step, Index to_step) {
         const T* s = source + f;
         T* d = target + t;
         if constexpr (!Add) {
           if (from_step == 1 && to_step == 1) {
             std::memcpy(d, s, static_cast<std::size_t>(n) * sizeof(T));
             return;
           }
         }
         for (Index i = 0; i < n; ++i) {
           if constexpr (Add)
             d[i * to_step] += s[i * from_step];
           else
             d[i * to_step] = s[i * from_step];
         }
       });
}

}  // namespace

Layout dense_layout(const Shape& shape) {
  Layout layout{.shape = shape};
  Index stride = 1;
  for (Index i = shape.rank() - 1; i >= 0; --i) {
    layout.strides[static_cast<std::size_t>(i)] = stride;
    stride *= shape[i];
  }
  return layout;
}

Layout storage_layout(const Tensor& x) {
  Layout layout{.shape = x.shape()};
  std::copy(strides(x).begin(), strides(x).end(), layout.strides.begin());
  return layout;
}

void copy_elements(const Tensor& from, const Tensor& to) {
  if (from.size() == 0) return;
  visit(from.dtype(), [&]<class T>(T) { move<false, T>(from, to); });
}

void add_elements(const Tensor& from, const Tensor& to) {
  if (from.size() == 0) return;
  visit(from.dtype(), [&]<class T>(T) { move<true, T>(from, to); });
}

void fill_elements(const Tensor& to, double value) {
  if (to.size() == 0) return;
  visit(to.dtype(), [&]<class T>(T) {
    T* target = data<T>(to);
    const std::array<Index, Shape::max_rank> none{};
    walk(plan(extents(to), std::span(none).first(extents(to).size()), strides(to)), 0, 0, 0,
         [&](Index, Index t, Index n, Index, Index step) {
           for (Index i = 0; i < n; ++i) target[t + i * step] = static_cast<T>(value);
         });
  });
}

Tensor dense_copy(const Tensor& x) {
  if (is_dense(x)) return x;
  Tensor copy = empty_like(*x.header());
  copy_elements(x, copy);
  return copy;
}

bool as_rows(std::span<const Index> extents, std::span<const Index> strides, Rows& rows) {
  rows = {};
  const std::size_t rank = extents.size();
  if (rank == 0) return true;
  rows.columns = extents[rank - 1];
  rows.stride = rows.columns;
  if (extents[rank - 1] != 1 && strides[rank - 1] != 1) return false;
  Index expected = -1;
  for (std::size_t i = rank - 1; i-- > 0;) {
    if (extents[i] == 1) continue;
    if (expected < 0)
      rows.stride = strides[i];
    else if (strides[i] != expected)
      return false;
    expected = strides[i] * extents[i];
    rows.rows *= extents[i];
  }
  if (expected >= 0 && rows.stride < rows.columns) return false;
  // An axis of length 0 leaves nothing to lay out.
  for (std::size_t i = 0; i + 1 < rank; ++i)
    if (extents[i] == 0) rows.rows = 0;
  return true;
}

}  // namespace unroll::detail
