#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/detail/backward.h>
#include <unroll/autograd/graph/detail/boxes.h>
#include <unroll/autograd/graph/detail/changes.h>
#include <unroll/autograd/graph/detail/overlay.h>
#include <unroll/autograd/graph/detail/stages.h>
#include <unroll/autograd/graph/diff.h>
#include <unroll/autograd/graph/picture.h>

namespace unroll::graph {
namespace detail {
namespace {

[[noreturn]] void fail_options(std::string given, std::string needed) {
  fail_nowhere("graph", {.given = std::move(given), .needed = std::move(needed), .hint = {}});
}

void check_options(const DrawOptions& o) {
  if (o.window < 0) fail_options("window is " + std::to_string(o.window), "0 or more steps");
  if (o.budget < 0) fail_options("budget is " + std::to_string(o.budget), "0 or more boxes");
  if (o.depth < -1) fail_options("depth is " + std::to_string(o.depth), "-1 or more levels");
  if (o.window > 0 && o.fold_time.value_or(false))
    fail_options("fold_time and window together", "one of them");
  if (int{o.gradients} + int{o.memory} + int{o.time} > 1)
    fail_options("several of gradients, memory and time", "one scale of colours at most");
  if (o.focus.distance < -1)
    fail_options("focus.distance is " + std::to_string(o.focus.distance), "-1 or more operations");
}

// The picture, before anything is said of changes, and where nodes and leaves went.
struct Made {
  Picture picture;
  Grouping grouping;
};

Made make(const Snapshot& snapshot, const DrawOptions& options, std::vector<Index> centre) {
  check_options(options);
  check(snapshot);
  const Recorded recorded(snapshot);
  Reduced left = reduced(recorded, options, std::move(centre));
  const Measured measured = detail::measured(recorded, left.grouping);
  const Frames frames = frames_of(recorded, left.grouping, left.iterations);
  const Drawn drawn{.recorded = recorded,
                    .grouping = left.grouping,
                    .iterations = left.iterations,
                    .links = left.links,
                    .frames = frames,
                    .measured = measured};
  Picture made{.boxes = boxes_of(drawn),
               .arrows = arrows_of(drawn),
               .frames = frames.frames,
               .notes = left.notes,
               .title = options.title};
  add_overlay(made, drawn, options);
  if (options.backward) add_backward(made, drawn);
  return {.picture = std::move(made), .grouping = std::move(left.grouping)};
}

}  // namespace
}  // namespace detail

Picture picture(const Snapshot& snapshot, const DrawOptions& options) {
  return detail::make(snapshot, options, {}).picture;
}

Picture picture(const Difference& difference, const DrawOptions& options) {
  std::vector<Index> centre;
  for (std::size_t n = 0; n < difference.nodes.size(); ++n)
    if (difference.nodes[n] != Change::none) centre.push_back(static_cast<Index>(n));
  auto [picture, grouping] = detail::make(difference.merged, options, std::move(centre));
  detail::add_changes(picture, grouping, difference);
  return picture;
}

}  // namespace unroll::graph
