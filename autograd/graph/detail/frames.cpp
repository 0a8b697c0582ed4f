#include <unroll/autograd/graph/detail/frames.h>
#include <unroll/autograd/graph/detail/iterations.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace unroll::graph::detail {
namespace {

class Nest {
 public:
  Nest(const Recorded& recorded, const Grouping& grouping, const Iterations& iterations)
      : r_(recorded), grouping_(grouping), iterations_(iterations) {}

  // Of a group that is no leaf; -1: outermost.
  Index around(const Group& g) {
    const Index path = g.kind == Group::Kind::module ? r_.paths.parent(g.path) : g.path;
    if (g.loop < 0) return module(path, -1, -1, 0, -1);
    const Index outer = grouping_.path_of_loop[at(g.loop)];
    Index frame = module(outer, -1, -1, 0, -1);
    if (!grouping_.is_window) frame = loop(g.loop, outer, frame);
    if (g.part >= 0 && g.kind != Group::Kind::ellipsis) frame = part(g, outer, frame);
    return module(path, g.loop, g.part, r_.paths.depth(outer), frame);
  }
  // Of a module's own frame, or the nearest around it that is there.
  Index of_module(Index path) const {
    for (; path != 0; path = r_.paths.parent(path))
      if (const auto known = known_.find({path, -1, -1}); known != known_.end())
        return known->second;
    return -1;
  }

  std::vector<Frame> frames;
  std::vector<Index> paths;

 private:
  using Key = std::tuple<Index, Index, Index>;  // path or -1, loop, part

  // The frames of a path's modules below a depth, inside of each other and of `around`.
  Index module(Index path, Index loop, Index part, Index depth, Index around) {
    std::vector<Index> below;
    for (Index p = path; r_.paths.depth(p) > depth; p = r_.paths.parent(p)) below.push_back(p);
    Index frame = around;
    for (auto p = below.rbegin(); p != below.rend(); ++p)
      frame = put({*p, loop, part}, {.inside = frame}, *p);
    return frame;
  }
  Index loop(Index l, Index path, Index around) {
    const Loop& loop = iterations_.loop(l);
    const auto count = loop.starts.size();
    const bool backward =
        loop.direction == Direction::backward ||
        (loop.steps.size() > 1 && loop.steps.front() > loop.steps.back() && loop.steps.back() >= 0);
    return put({-1, l, -1},
               {.badge = "× " + std::to_string(count) + (backward ? ", backwards" : ""),
                .inside = around,
                .loop = true},
               path);
  }
  Index part(const Group& g, Index path, Index around) {
    const Part& part = grouping_.parts[at(g.part)];
    return put({-1, g.loop, g.part},
               {.badge = grouping_.is_window ? step(part)
                                             : when(iterations_.loop(g.loop), part.iterations),
                .inside = around,
                .loop = true},
               path);
  }
  std::string step(const Part& part) const {
    const Index i = part.iterations.front();
    const Loop& loop = iterations_.loop(part.loop);
    const bool known = at(i) < loop.steps.size() && loop.steps[at(i)] >= 0;
    return known ? "t = " + std::to_string(loop.steps[at(i)]) : "step " + std::to_string(i + 1);
  }
  Index put(const Key& key, Frame frame, Index path) {
    const auto [entry, is_new] = known_.try_emplace(key, static_cast<Index>(frames.size()));
    if (is_new) {
      frames.push_back(std::move(frame));
      paths.push_back(path);
    }
    return entry->second;
  }

  const Recorded& r_;
  const Grouping& grouping_;
  const Iterations& iterations_;
  std::map<Key, Index> known_;
};

// A module's frame around nothing but one other is the other's with a longer name.
void join_single(Frames& f) {
  const auto count = static_cast<Index>(f.frames.size());
  std::vector<Index> boxes(at(count)), inner(at(count)), moved(at(count), -1);
  for (const Index frame : f.of_group)
    if (frame >= 0) ++boxes[at(frame)];
  for (const Frame& frame : f.frames)
    if (frame.inside >= 0) ++inner[at(frame.inside)];
  Frames made;
  for (Index k = 0; k < count; ++k) {
    Frame& frame = f.frames[at(k)];
    const Index around = frame.inside < 0 ? -1 : moved[at(frame.inside)];
    if (!frame.loop && boxes[at(k)] == 0 && inner[at(k)] == 1) {
      moved[at(k)] = around;
      continue;
    }
    frame.inside = around;
    moved[at(k)] = static_cast<Index>(made.frames.size());
    made.frames.push_back(std::move(frame));
    made.path.push_back(f.path[at(k)]);
  }
  for (Index& frame : f.of_group)
    if (frame >= 0) frame = moved[at(frame)];
  f.frames = std::move(made.frames);
  f.path = std::move(made.path);
}

void name(const Recorded& r, Frames& f) {
  for (std::size_t k = 0; k < f.frames.size(); ++k) {
    Frame& frame = f.frames[k];
    frame.id = "f" + std::to_string(k);
    if (frame.loop && !frame.badge.starts_with("×")) continue;
    const Index outer = frame.inside < 0 ? 0 : f.path[at(frame.inside)];
    const bool named = !frame.loop || outer != f.path[k];
    frame.name = named ? r.paths.full(f.path[k]) : "each step";
  }
}

}  // namespace

std::string name_inside(const PathTree& paths, const std::string& name, Index frame_path) {
  const std::string& outer = paths.full(frame_path);
  const bool is_inside = !outer.empty() && name.size() > outer.size() + 1 &&
                         name.starts_with(outer) && name[outer.size()] == '.';
  return is_inside ? name.substr(outer.size() + 1) : name;
}

Frames frames_of(const Recorded& r, const Grouping& grouping, const Iterations& iterations) {
  Nest nest(r, grouping, iterations);
  Frames f{.of_group = std::vector<Index>(grouping.groups.size(), -1)};
  for (std::size_t g = 0; g < grouping.groups.size(); ++g)
    if (grouping.groups[g].kind != Group::Kind::leaf)
      f.of_group[g] = nest.around(grouping.groups[g]);
  for (std::size_t g = 0; g < grouping.groups.size(); ++g)
    if (grouping.groups[g].kind == Group::Kind::leaf)
      f.of_group[g] = nest.of_module(grouping.groups[g].path);
  f.frames = std::move(nest.frames);
  f.path = std::move(nest.paths);
  join_single(f);
  name(r, f);
  return f;
}

}  // namespace unroll::graph::detail
