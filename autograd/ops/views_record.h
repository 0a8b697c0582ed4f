#pragma once

#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/view_layout.h>

#include <concepts>
#include <functional>

// How views are made and recorded: what select, slice, permute … have in common.
namespace unroll::detail {

// A change of layout, called where it stands: a reference to a lambda, without an allocation.
class LayoutChange {
 public:
  template <class F>
  requires(!std::same_as<F, LayoutChange>) LayoutChange(const F& f)
      : f_(&f), call_([](const void* object, const Layout& whole) {
          return (*static_cast<const F*>(object))(whole);
        }) {}
  Layout operator()(const Layout& whole) const { return call_(f_, whole); }

 private:
  const void* f_;
  Layout (*call_)(const void* object, const Layout& whole);
};

// Applies a change of layout to the storage of x and, where it is recorded, to its places in its
// parent and in its root. Strides are never negative, and no two elements share a place.
Tensor apply_view(const Operation& operation, const Tensor& x, const LayoutChange& change);
// The same for equal pieces along an axis, `piece` elements each, that are there already.
void record_view(const Operation& operation, const Tensor& x, std::span<Tensor* const> views,
                 const LayoutChange& change, Index axis, Index piece);

// The derivative rule of every view.
void view_derivative(Backward& b);

// The inverse of views: zeros of the shape `whole` with each piece added in its place; and back, the
// elements there.
Tensor place(std::span<const Tensor> pieces, const Shape& whole, std::span<const Layout> layouts);
Tensor region(const Tensor& whole, const Layout& layout);
// A dense copy, recorded.
Tensor contiguous_copy(const Tensor& x);
// Whether x is recorded on the current tape as a view of something else.
bool is_recorded_view(const Operation& operation, const Tensor& x);

Check view_check(std::function<Tensor(const Tensor&)> f, const Shape& shape);

}  // namespace unroll::detail
