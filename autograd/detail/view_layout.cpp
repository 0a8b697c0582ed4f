#include <unroll/autograd/detail/view_layout.h>
#include <unroll/autograd/operation.h>

#include <algorithm>

namespace unroll::detail {

const ViewAttributes* as_view(const Recording& tape, std::uint32_t value) {
  const Value& v = tape.values[value];
  if (v.is_leaf != 0) return nullptr;
  const Node& node = tape.nodes[v.origin];
  if (node.operation->flow != Flow::views) return nullptr;
  return reinterpret_cast<const ViewAttributes*>(node.payload);
}

Layout layout_in_parent(const Recording& tape, std::uint32_t view) {
  const ViewAttributes& a = *as_view(tape, view);
  Layout layout{.shape = tape.shape_of(view)};
  std::copy_n(a.strides(), a.rank, layout.strides.begin());
  layout.offset = a.parent_offset + tape.values[view].output * a.parent_step;
  return layout;
}

Layout layout_in_root(const Recording& tape, std::uint32_t view) {
  const ViewAttributes& a = *as_view(tape, view);
  Layout layout{.shape = tape.shape_of(view)};
  std::copy_n(a.strides() + (a.parent_is_root ? 0 : a.rank), a.rank, layout.strides.begin());
  layout.offset = a.root_offset + tape.values[view].output * a.root_step;
  return layout;
}

}  // namespace unroll::detail
