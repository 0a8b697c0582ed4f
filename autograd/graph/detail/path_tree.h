#pragma once

#include <unroll/autograd/index.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace unroll::graph::detail {

// Module paths: "a.b" lies inside "a", everything inside 0, whose path is empty. Beyond 16 levels
// the rest of a path is one name, since Graphviz recurses on nested clusters.
class PathTree {
 public:
  PathTree();

  Index add(std::string_view path);
  Index find(std::string_view path) const;  // the deepest that is there
  Index size() const { return static_cast<Index>(parts_.size()); }

  Index parent(Index path) const { return at(path).parent; }
  Index depth(Index path) const { return at(path).depth; }
  const std::string& name(Index path) const { return at(path).name; }  // after the last dot
  const std::string& full(Index path) const { return at(path).full; }
  Index ancestor(Index path, Index depth) const;  // itself where it is not deeper
  Index common(Index a, Index b) const;           // the deepest around both
  bool is_inside(Index path, Index outer) const {
    return ancestor(path, depth(outer)) == outer;
  }  // or the same

 private:
  struct Part {
    Index parent = -1;
    Index depth = 0;
    std::string name = {};
    std::string full = {};
  };
  const Part& at(Index path) const { return parts_[static_cast<std::size_t>(path)]; }

  std::vector<Part> parts_;
  std::unordered_map<std::string, Index> known_;  // by full path
};

}  // namespace unroll::graph::detail
