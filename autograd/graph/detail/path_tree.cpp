#include <unroll/autograd/graph/detail/path_tree.h>

namespace unroll::graph::detail {
namespace {

constexpr Index deepest = 16;

// Where the part of a path that begins at `from` ends.
std::size_t end_of_part(std::string_view path, std::size_t from, Index depth) {
  const std::size_t dot = depth == deepest ? std::string_view::npos : path.find('.', from);
  return dot == std::string_view::npos ? path.size() : dot;
}

}  // namespace

PathTree::PathTree() : parts_(1), known_{{std::string(), 0}} {}

Index PathTree::add(std::string_view path) {
  if (const auto found = known_.find(std::string(path)); found != known_.end())
    return found->second;
  Index at = 0;
  for (std::size_t from = 0; from <= path.size();) {
    const Index depth = this->depth(at) + 1;
    const std::size_t end = end_of_part(path, from, depth);
    const auto [entry, is_new] = known_.try_emplace(std::string(path.substr(0, end)), size());
    if (is_new)
      parts_.push_back({.parent = at,
                        .depth = depth,
                        .name = std::string(path.substr(from, end - from)),
                        .full = entry->first});
    at = entry->second;
    from = end + 1;
  }
  return at;
}

Index PathTree::find(std::string_view path) const {
  while (true) {
    if (const auto found = known_.find(std::string(path)); found != known_.end())
      return found->second;
    const std::size_t dot = path.rfind('.');
    path = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
  }
}

Index PathTree::ancestor(Index path, Index depth) const {
  while (this->depth(path) > depth) path = parent(path);
  return path;
}

Index PathTree::common(Index a, Index b) const {
  a = ancestor(a, depth(b));
  b = ancestor(b, depth(a));
  while (a != b) {
    a = parent(a);
    b = parent(b);
  }
  return a;
}

}  // namespace unroll::graph::detail
