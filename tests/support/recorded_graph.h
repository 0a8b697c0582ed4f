#pragma once

#include <unroll/autograd/graph.h>

#include <string>
#include <vector>

// Recordings made by hand, and compared.
namespace unroll::test {

// The first difference in what is computed from what, and in all that is not measured; empty: none.
std::string difference_of(const graph::Snapshot& a, const graph::Snapshot& b);

class GraphBuilder {
 public:
  struct Place {
    std::string path = {};
    Index step = -1;
    Index layer = -1;
    graph::Direction direction = graph::Direction::none;
    int order = 0;
  };
  Place place = {};  // of what is added
  graph::Snapshot snapshot = {};

  Index leaf(const Shape& shape = {3}, const std::string& name = {});
  // The number of the first output.
  Index node(const std::string& operation, const std::vector<Index>& inputs, Index outputs = 1,
             const Shape& shape = {3});
};

}  // namespace unroll::test
