// Parameters and watched tensors on a tape: entered at their first use, found by their address.
#include <unroll/autograd/detail/make_room.h>
#include <unroll/autograd/detail/recording.h>

#include <algorithm>

namespace unroll::detail {
namespace {

std::size_t hash_of(const Header* x) {
  return (reinterpret_cast<std::uintptr_t>(x) >> 6) * std::size_t{0x9e3779b97f4a7c15U} >> 20;
}

}  // namespace

std::uint32_t Recording::leaf_value(Header* x, const char* operation) {
  if (!leaf_table_.empty()) {
    const std::size_t mask = leaf_table_.size() - 1;
    for (std::size_t at = hash_of(x) & mask; leaf_table_[at] != 0; at = (at + 1) & mask) {
      const Leaf& leaf = leaves[leaf_table_[at] - 1];
      if (leaf.header != x) continue;
      if (leaf.version != x->block()->version) fail_changed(*x, operation);
      return leaf.value;
    }
  }
  return add_leaf(x, x->is(Header::frozen) || !x->is(Header::leaf));
}

std::uint32_t Recording::add_leaf(Header* x, bool constant) {
  if (2 * (leaves.size() + 1) > leaf_table_.size()) grow_table();
  make_room(values, 1);
  make_room(leaves, 1);
  make_room(leaf_extents_, x->rank);
  // From here on nothing throws.
  const auto index = static_cast<std::uint32_t>(leaves.size());
  std::uint32_t value = no_value;
  if (!constant) {
    value = static_cast<std::uint32_t>(values.size());
    values.push_back({.origin = index,
                      .uses = 0,
                      .rank = static_cast<std::uint8_t>(x->rank & 15U),
                      .is_leaf = 1,
                      .dtype = static_cast<std::uint8_t>(static_cast<std::uint8_t>(x->dtype) & 7U),
                      .output = 0});
  }
  leaves.push_back({.header = x,
                    .value = value,
                    .version = x->block()->version,
                    .extents_at = static_cast<std::uint32_t>(leaf_extents_.size()),
                    .info = leaf_info(*x)});
  leaf_extents_.insert(leaf_extents_.end(), x->extents(), x->extents() + x->rank);
  retain(x);
  const std::size_t mask = leaf_table_.size() - 1;
  std::size_t at = hash_of(x) & mask;
  while (leaf_table_[at] != 0) at = (at + 1) & mask;
  leaf_table_[at] = index + 1;
  return value;
}

Index Recording::variables() const {
  return std::count_if(leaves.begin(), leaves.end(),
                       [](const Leaf& leaf) { return leaf.value != no_value; });
}

void Recording::grow_table() {
  leaf_table_.resize(leaf_table_.empty() ? 64 : 2 * leaf_table_.size());
  fill_table();
}

void Recording::fill_table() {
  std::fill(leaf_table_.begin(), leaf_table_.end(), 0);
  const std::size_t mask = leaf_table_.size() - 1;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    std::size_t at = hash_of(leaves[i].header) & mask;
    while (leaf_table_[at] != 0) at = (at + 1) & mask;
    leaf_table_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

void Recording::drop_leaves(std::size_t count) {
  if (leaves.size() <= count) return;
  while (leaves.size() > count) {
    leaf_extents_.resize(leaves.back().extents_at);
    release(leaves.back().header);
    leaves.pop_back();
  }
  fill_table();
}

void Recording::check_versions(std::string_view operation) const {
  for (const Leaf& leaf : leaves)
    if (leaf.header != nullptr && leaf.version != leaf.header->block()->version)
      fail_changed(*leaf.header, operation);
}

void Recording::fail_changed(const Header& x, std::string_view operation) const {
  std::string who = leaf_path(*x.block()) + " was changed";
  if (const auto& info = leaf_info(*x.block())) {
    who += std::string(" (") + info->changed_by;
    if (info->changed_at >= 0) who += " " + std::to_string(info->changed_at);
    who += ")";
  }
  fail_nowhere(operation, {.given = who + " after this tape read it",
                           .needed = "its old value",
                           .hint = "call backward before step, or open a new Tape"});
}

}  // namespace unroll::detail
