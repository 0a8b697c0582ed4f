#pragma once

#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>

namespace unroll::detail {

// Attributes of a view's node, followed by Index parent_strides[rank] and, unless the parent is the
// root, root_strides[rank]. The root is the nearest value under a view that is not itself a view.
// Layouts are counted in the row-major elements of the tensor they refer to, whatever its storage,
// so that they hold for a gradient of any strides. Several outputs are equal pieces, `step`
// elements apart.
struct ViewAttributes {
  std::uint32_t root = no_value;
  std::uint8_t rank = 0;
  bool parent_is_root = true;
  Index parent_offset = 0;
  Index parent_step = 0;
  Index root_offset = 0;
  Index root_step = 0;

  const Index* strides() const { return reinterpret_cast<const Index*>(this + 1); }
};

// Where a view's output lies in its input, and where in its root.
Layout layout_in_parent(const Recording& tape, std::uint32_t view);
Layout layout_in_root(const Recording& tape, std::uint32_t view);

// Whether a value is the output of a view; if so, its attributes.
const ViewAttributes* as_view(const Recording& tape, std::uint32_t value);

}  // namespace unroll::detail
