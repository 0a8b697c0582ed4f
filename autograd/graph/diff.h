#pragma once

#include <unroll/autograd/graph/snapshot.h>

#include <iosfwd>
#include <string>
#include <vector>

namespace unroll::graph {

struct CompareOptions {
  bool paths = true;   // module paths and parameters' names must agree
  bool steps = true;   // time steps, layers, directions
  bool shapes = true;  // shapes and dtypes
  bool order = false;  // the order of recording; otherwise what is computed from what is all
};

// Whether two recordings compute the same; ostream says the first node of either that has no
// counterpart, with its module and time step:  BOOST_TEST(same.ok(), same);
class StructureReport {
 public:
  bool ok() const { return text_.empty(); }
  explicit operator bool() const { return ok(); }
  const std::string& text() const { return text_; }
  explicit StructureReport(std::string text) : text_(std::move(text)) {}
  friend std::ostream& operator<<(std::ostream& out, const StructureReport& report);

 private:
  std::string text_;
};

// Operations are the same that do the same with the same operands, however far back; leaves with
// one name are, and leaves without, counted in the order in which they came to the tape. Names of
// results, what was measured, and a loss that only one of them has, play no part.
StructureReport same_structure(const Snapshot& a, const Snapshot& b,
                               const CompareOptions& options = {});

// Against a file that was written by write(path, snapshot) and is kept with the tests. Where the
// environment has UNROLL_UPDATE_GOLDEN=1 the file is written anew instead, without what was
// measured. A missing file is a difference whose text says how to make it.
StructureReport matches_golden(const Snapshot& snapshot, const std::string& path,
                               const CompareOptions& options = {});

// What became of each node from a to b: the shortest edit of one recording into the other. Nodes
// stay that do the same at the same place; where shapes or operands are others they are changed.
struct Difference {
  Snapshot merged;                            // of b, and what is only in a at its old place
  std::vector<Change> nodes;                  // of merged
  std::vector<Change> values;                 // leaves too
  Index added = 0, removed = 0, changed = 0;  // nodes

  // What was different in a, ascending.
  struct NodeBefore {
    Index node = -1;
    std::vector<Index> inputs = {};  // values of merged
  };
  struct ValueBefore {
    Index value = -1;
    Shape shape = {};
    DType dtype = f32;
  };
  std::vector<NodeBefore> nodes_before;    // of those that are changed
  std::vector<ValueBefore> values_before;  // likewise

  bool empty() const { return added + removed + changed == 0; }
};
Difference diff(const Snapshot& a, const Snapshot& b, const CompareOptions& options = {});
std::ostream& operator<<(std::ostream& out, const Difference& difference);  // a line per node

}  // namespace unroll::graph
