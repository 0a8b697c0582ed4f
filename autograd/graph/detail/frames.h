#pragma once

#include <unroll/autograd/graph/detail/grouping.h>
#include <unroll/autograd/graph/picture.h>

namespace unroll::graph::detail {

// Modules and loops around the groups, outer ones first.
struct Frames {
  std::vector<Frame> frames = {};
  std::vector<Index> path = {};      // of each frame
  std::vector<Index> of_group = {};  // -1: outermost
};
Frames frames_of(const Recorded& recorded, const Grouping& grouping, const Iterations& iterations);

// A path as it is called inside of a frame.
std::string name_inside(const PathTree& paths, const std::string& name, Index frame_path);

}  // namespace unroll::graph::detail
