#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/view_layout.h>

#include <algorithm>
#include <utility>

// Where gradients that are not recorded lie: in a buffer of their own, in a region of another's, or
// in the addend's of a sum.
namespace unroll::detail {
namespace {

// How far an addend of an addend … may share one gradient; bounds the recursion.
constexpr int max_sharing_depth = 8;

}  // namespace

bool GradientPass::lies_in_root(std::uint32_t value) const {
  const ViewAttributes* a = as_view(tape_, value);
  return a != nullptr && !slots_[value].is(Slot::apart) && slots_[value].buffer == nullptr &&
         a->root != no_value && slots_[a->root].is(Slot::needed);
}

// Where a view lies in its root, if that is whole rows' columns one under another.
bool GradientPass::find_region(std::uint32_t value, Region& region) const {
  if (!lies_in_root(value)) return false;
  const ViewAttributes& a = *as_view(tape_, value);
  const std::span<const Index> root_extents = tape_.extents_of(a.root);
  region.root = a.root;
  region.extents = tape_.extents_of(value);
  region.strides = a.strides() + (a.parent_is_root ? 0 : a.rank);
  region.columns = root_extents.empty() ? 1 : root_extents.back();
  const Index offset = a.root_offset + tape_.values[value].output * a.root_step;
  const std::size_t rank = region.extents.size();
  Index size = 1;
  for (const Index extent : region.extents) size *= extent;
  if (size == 0 || region.columns == 0) return false;
  const Index width = rank == 0 ? 1 : region.extents[rank - 1];
  if (width != 1 && region.strides[rank - 1] != 1) return false;
  const Index row = offset / region.columns;
  const Index column = offset % region.columns;
  if (column + width > region.columns) return false;
  Index expected = region.columns;
  for (std::size_t i = rank; i-- > 0;) {
    if (i + 1 >= rank || region.extents[i] == 1) continue;
    if (region.strides[i] != expected) return false;
    expected *= region.extents[i];
  }
  region.place = {row, row + size / width, column, column + width};
  return true;
}

// That rectangle of the root's buffer, whose rows may lie apart by any distance.
Tensor GradientPass::region_of_buffer(const Region& region) const {
  const Header& buffer = *slots_[region.root].buffer;
  Rows rows;
  as_rows({buffer.extents(), buffer.rank}, {buffer.strides(), buffer.rank}, rows);
  const std::size_t rank = region.extents.size();
  std::array<Index, Shape::max_rank> strides;
  for (std::size_t i = 0; i < rank; ++i)
    strides[i] = i + 1 == rank ? 1 : region.strides[i] / region.columns * rows.stride;
  return make_view(buffer, region.extents, {strides.data(), rank},
                   region.place.row_begin * rows.stride + region.place.column_begin);
}

Destination GradientPass::claim_destination(std::uint32_t value, int depth) {
  Region region;
  if (find_region(value, region)) {
    ensure_buffer(region.root, depth);
    own(region.root);
    const bool accumulate = claim(region.root, region.place);
    Tensor buffer = region_of_buffer(region);
    const bool read = accumulate && is_read_by_others(buffer, region.root);
    return {std::move(buffer), accumulate, read};
  }
  ensure_buffer(value, depth);
  own(value);
  Slot& s = slots_[value];
  if (!s.is(Slot::full) && s.cover != 0) complete(value);
  const bool accumulate = s.is(Slot::full);
  s.set(Slot::full);
  retain(s.buffer);
  Tensor buffer = Tensor::adopt(s.buffer);
  return {buffer, accumulate, accumulate && is_read_by_others(buffer, value)};
}

Destination GradientPass::destination(std::uint32_t value) {
  Destination to = claim_destination(value);
  while (to.read_by_others) {
    flush_all();
    // The flushes may have moved it.
    to = claim_destination(value);
    if (!to.read_by_others) break;
    bring_elsewhere(to.buffer, lies_in_root(value) ? as_view(tape_, value)->root : value);
    to = claim_destination(value);
  }
  return to;
}

namespace {

// The addresses between the first and the last element.
std::pair<const std::byte*, const std::byte*> reach(const Header& x) {
  Index last = 0;
  for (std::uint8_t i = 0; i < x.rank; ++i) last += (x.extents()[i] - 1) * x.strides()[i];
  return {x.data, x.data + (last + 1) * static_cast<Index>(element_bytes(x.dtype))};
}

}  // namespace

// Whether the gradient of p lies in a region that belongs to the gradient of `of`, and would be
// changed by writing there. What lies under `of` itself is meant to change.
bool GradientPass::is_over(const Tensor& region, std::uint32_t of, const Passed& p) const {
  const Header& over = *slots_[p.value].buffer;
  if (region.size() == 0 || over.block() != region.header()->block()) return false;
  for (std::uint32_t under = of; under != no_value;) {
    if (under == p.value) return false;
    const auto next = std::find_if(passed_.begin(), passed_.end(),
                                   [&](const Passed& q) { return q.value == under; });
    under = next == passed_.end() ? no_value : next->into;
  }
  const auto [begin, end] = reach(over);
  const auto [first, last] = reach(*region.header());
  return begin < last && first < end;
}

bool GradientPass::is_read_by_others(const Tensor& region, std::uint32_t of) const {
  return region.header()->block()->is(Header::pinned) ||
         std::any_of(passed_.begin(), passed_.end(),
                     [&](const Passed& p) { return is_over(region, of, p); });
}

// Gives the sums whose gradients share a region memory of their own. What they have put there so
// far is taken out, since their rules will add the whole.
void GradientPass::bring_elsewhere(const Tensor& region, std::uint32_t of) {
  for (std::size_t k = passed_.size(); k-- > 0;) {
    if (!is_over(region, of, passed_[k])) continue;
    Slot& s = slots_[passed_[k].value];
    const Tensor shared = Tensor::adopt(std::exchange(s.buffer, nullptr));
    Tensor own = empty_like(*shared.header());
    copy_elements(shared, own);
    fill_elements(shared, 0);
    s.buffer = own.surrender();
    s.clear(Slot::passed);
  }
  std::erase_if(passed_, [&](const Passed& p) { return !slots_[p.value].is(Slot::passed); });
}

// Where a value is a sum with its third input, and that input is used here alone, both gradients
// are one: it is made in the place of the input's.
void GradientPass::ensure_buffer(std::uint32_t value, int depth) {
  if (slots_[value].buffer != nullptr) return;
  const Value& v = tape_.values[value];
  if (v.is_leaf == 0 && !slots_[value].is(Slot::wanted) && depth < max_sharing_depth) {
    const Node& node = tape_.nodes[v.origin];
    if (node.operation->flow == Flow::passes_third) {
      const std::uint32_t addend = tape_.inputs_of(node)[2];
      if (needs(addend) && !slots_[addend].is(Slot::wanted) && slots_[addend].buffer == nullptr &&
          tape_.values[addend].uses == 1 && tape_.values[addend].is_leaf == 0) {
        Destination shared = claim_destination(addend, depth + 1);
        if (!shared.accumulate) {
          slots_[value].buffer = shared.buffer.surrender();
          slots_[value].set(Slot::passed);
          passed_.push_back(
              {value, slots_[addend].buffer != nullptr ? addend : as_view(tape_, addend)->root});
          return;
        }
      }
    }
  }
  slots_[value].buffer = empty(tape_.shape_of(value), tape_.dtype_of_value(value)).surrender();
}

// Before a buffer that came from elsewhere is written to: its own copy, unless nobody else is left.
void GradientPass::own(std::uint32_t value) {
  Slot& s = slots_[value];
  if (!s.is(Slot::shared)) return;
  s.clear(Slot::shared);
  Header* h = s.buffer;
  if (h->owner == nullptr && h->is(Header::dense) && !h->is(Header::leaf) &&
      h->references.load(std::memory_order_acquire) == 1)
    return;
  Tensor copy = empty_like(*h);
  const Tensor old = Tensor::adopt(std::exchange(s.buffer, nullptr));
  copy_elements(old, copy);
  s.buffer = copy.surrender();
}

// Takes a rectangle of a root's gradient. True: it holds something already and is to be added to.
bool GradientPass::claim(std::uint32_t root, const Rectangle& q) {
  Slot& s = slots_[root];
  if (s.is(Slot::full)) return true;
  if (s.cover == 0) {
    s.cover = static_cast<std::uint32_t>(covers_.size());
    covers_.emplace_back();
  }
  auto& cover = covers_[s.cover];
  for (const Rectangle& r : cover) {
    const bool meet = q.row_begin < r.row_end && r.row_begin < q.row_end &&
                      q.column_begin < r.column_end && r.column_begin < q.column_end;
    if (!meet) continue;
    const bool inside = r.row_begin <= q.row_begin && q.row_end <= r.row_end &&
                        r.column_begin <= q.column_begin && q.column_end <= r.column_end;
    if (!inside) complete(root);
    return true;
  }
  // Time steps come one before the other: most claims extend a neighbour.
  for (Rectangle& r : cover) {
    if (r.column_begin == q.column_begin && r.column_end == q.column_end) {
      if (r.row_begin == q.row_end) return r.row_begin = q.row_begin, false;
      if (r.row_end == q.row_begin) return r.row_end = q.row_end, false;
    }
    if (r.row_begin == q.row_begin && r.row_end == q.row_end) {
      if (r.column_begin == q.column_end) return r.column_begin = q.column_begin, false;
      if (r.column_end == q.column_begin) return r.column_end = q.column_end, false;
    }
  }
  constexpr std::size_t many = 64;
  if (cover.size() == many) {
    complete(root);
    return true;
  }
  cover.push_back(q);
  return false;
}

// Zeros wherever nothing has been written yet.
void GradientPass::complete(std::uint32_t value) {
  Slot& s = slots_[value];
  if (s.is(Slot::full)) return;
  s.set(Slot::full);
  if (s.cover == 0) return;
  auto& cover = covers_[s.cover];
  const Header& buffer = *s.buffer;
  Rows rows;
  as_rows({buffer.extents(), buffer.rank}, {buffer.strides(), buffer.rank}, rows);
  Index area = 0;
  for (const Rectangle& r : cover)
    area += (r.row_end - r.row_begin) * (r.column_end - r.column_begin);
  if (area != rows.rows * rows.columns) {
    const std::size_t bytes = element_bytes(buffer.dtype);
    std::vector<Rectangle> here;
    for (Index row = 0; row < rows.rows; ++row) {
      here.clear();
      for (const Rectangle& r : cover)
        if (r.row_begin <= row && row < r.row_end) here.push_back(r);
      std::sort(here.begin(), here.end(), [](const Rectangle& a, const Rectangle& b) {
        return a.column_begin < b.column_begin;
      });
      std::byte* const begin = buffer.data + static_cast<std::size_t>(row * rows.stride) * bytes;
      Index column = 0;
      const auto zero_until = [&](Index end) {
        if (end > column)
          std::fill_n(begin + static_cast<std::size_t>(column) * bytes,
                      static_cast<std::size_t>(end - column) * bytes, std::byte{0});
      };
      for (const Rectangle& r : here) {
        zero_until(r.column_begin);
        column = r.column_end;
      }
      zero_until(rows.columns);
    }
  }
  cover.clear();
}

}  // namespace unroll::detail
