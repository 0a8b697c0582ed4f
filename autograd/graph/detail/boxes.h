#pragma once

#include <unroll/autograd/graph/detail/frames.h>
#include <unroll/autograd/graph/detail/iterations.h>
#include <unroll/autograd/graph/detail/links.h>
#include <unroll/autograd/graph/detail/measures.h>
#include <unroll/autograd/graph/picture.h>

namespace unroll::graph::detail {

// What a picture is made of.
struct Drawn {
  const Recorded& recorded;
  const Grouping& grouping;
  const Iterations& iterations;
  const Links& links;
  const Frames& frames;
  const Measured& measured;
};

// Box g is of group g, and the same for arrows and links.
std::vector<Box> boxes_of(const Drawn& drawn);
std::vector<Arrow> arrows_of(const Drawn& drawn);

// "t−1"; of a derivative, which flows the other way, "t+1".
std::string delay_text(const Drawn& drawn, const Link& link, bool reversed);

// "200 operations", "1 operation", "1,203 operations".
std::string counted(Index count, const std::string& one);
std::string short_number(double value);  // four digits
std::string bytes_text(Index bytes);     // "1.638 MB"

}  // namespace unroll::graph::detail
