#include <unroll/autograd/graph/detail/iterations.h>

#include <algorithm>
#include <map>
#include <utility>

namespace unroll::graph::detail {

Iterations iterations_of(const Recorded& r, const Folded& folded) {
  Iterations made{.folded = &folded};
  if (folded.loops.empty()) return made;
  made.places.resize(at(r.nodes()));
  for (std::size_t l = 0; l < folded.loops.size(); ++l) {
    const Loop& loop = folded.loops[l];
    for (std::size_t i = 0; i < loop.starts.size(); ++i) {
      const auto& operations = loop.variants[at(loop.variant[i])].operations;
      for (std::size_t k = 0; k < operations.size(); ++k)
        made.places[at(loop.starts[i]) + k] = {.loop = static_cast<std::int32_t>(l),
                                               .iteration = static_cast<std::int32_t>(i)};
    }
  }
  return made;
}

namespace {

bool have_steps(const Loop& loop) {
  return !loop.steps.empty() &&
         std::all_of(loop.steps.begin(), loop.steps.end(), [](Index t) { return t >= 0; });
}

std::string numbers(const Loop& loop, const std::vector<Index>& iterations) {
  constexpr std::size_t most = 40;
  std::vector<Index> steps;
  steps.reserve(iterations.size());
  const bool known = have_steps(loop);
  for (const Index i : iterations) steps.push_back(known ? loop.steps[at(i)] : i + 1);
  std::sort(steps.begin(), steps.end());
  std::string text = ranges(steps);
  if (text.size() <= most) return text;
  const std::size_t comma = text.rfind(',', most);
  return text.substr(0, comma == std::string::npos ? most : comma) + ", …";
}

}  // namespace

std::string when(const Loop& loop, const std::vector<Index>& iterations) {
  const auto all = static_cast<Index>(loop.starts.size());
  const auto count = static_cast<Index>(iterations.size());
  if (count == 1 && iterations[0] == 0) return "first step";
  if (count == 1 && iterations[0] == all - 1) return "last step";
  if (count == all - 1 && iterations[0] == 1) return "all but the first step";
  if (count == all - 1 && iterations.back() == all - 2) return "all but the last step";
  return (have_steps(loop) ? "t = " : "step ") + numbers(loop, iterations) + " (" +
         std::to_string(count) + " of " + std::to_string(all) + ")";
}

namespace {

Index path_of(const Recorded& r, const Loop& loop) {
  Index path = -1;
  for (const auto& variant : loop.variants)
    for (std::size_t k = 0; k < variant.operations.size(); ++k) {
      const Index one = r.path_of_node[at(variant.example) + k];
      path = path < 0 ? one : r.paths.common(path, one);
    }
  return std::max<Index>(path, 0);
}

std::vector<Index> iterations_of(const Loop& loop, const std::vector<Index>& variants) {
  std::vector<Index> all;
  for (const Index v : variants) {
    const auto& some = loop.variants[at(v)].iterations;
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

// Leaves that an operation of a loop reads as the same operand, another in each iteration, are one
// group.
Grouping with_leaves_of_steps(const Recorded& r, const Grouping& from) {
  using Reader = std::pair<Index, Index>;  // group, operand
  constexpr Reader none{-1, -1}, many{-2, -2};
  std::vector<Reader> readers(at(r.values()), none);
  for (Index n = 0; n < r.nodes(); ++n)
    for (std::size_t k = 0; k < r.node(n).inputs.size(); ++k) {
      const Index v = r.node(n).inputs[k];
      if (v < 0 || r.value(v).node >= 0 || from.of_node[at(n)] < 0) continue;
      const Reader by{from.of_node[at(n)], static_cast<Index>(k)};
      Reader& known = readers[at(v)];
      known = known == none || known == by ? by : many;
    }
  std::map<std::pair<Reader, DType>, Index> merged;
  std::vector<Index> to(from.groups.size());
  std::vector<Group> groups;
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const Group& group = from.groups[g];
    to[g] = static_cast<Index>(groups.size());
    if (group.kind == Group::Kind::leaf && !r.value(group.first).parameter) {
      const Reader& by = readers[at(group.first)];
      if (by.first >= 0 && from.groups[at(by.first)].loop >= 0) {
        const auto key = std::pair(by, r.value(group.first).dtype);
        to[g] = merged.try_emplace(key, to[g]).first->second;
      }
    }
    if (to[g] == static_cast<Index>(groups.size())) groups.push_back(group);
  }
  return mapped(from, to, std::move(groups));
}

}  // namespace

Grouping grouped_by_loop(const Recorded& r, const Grouping& from, const Iterations& iterations) {
  std::vector<Index> to(from.groups.size());
  std::vector<Group> groups;
  Grouping with = from;
  struct Entries {
    Alignment alignment;
    std::vector<Index> group_of = {};  // of each entry; -1: not made yet
    std::vector<Index> part_of = {};
  };
  std::vector<Entries> loops;
  for (const Loop& loop : iterations.folded->loops) {
    const auto l = static_cast<Index>(loops.size());
    Entries e{.alignment = align(r, loop)};
    e.group_of.assign(e.alignment.entries.size(), -1);
    std::vector<std::pair<std::vector<Index>, Index>> known;  // variants, part
    for (const auto& entry : e.alignment.entries) {
      if (entry.variants.size() == loop.variants.size()) {
        e.part_of.push_back(-1);
        continue;
      }
      auto found = std::find_if(known.begin(), known.end(),
                                [&](const auto& k) { return k.first == entry.variants; });
      if (found == known.end()) {
        known.emplace_back(entry.variants, static_cast<Index>(with.parts.size()));
        with.parts.push_back({.loop = l, .iterations = iterations_of(loop, entry.variants)});
        found = known.end() - 1;
      }
      e.part_of.push_back(found->second);
    }
    with.path_of_loop.push_back(path_of(r, loop));
    loops.push_back(std::move(e));
  }
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const Group& group = from.groups[g];
    const auto place =
        group.kind == Group::Kind::leaf ? Iterations::Place{} : iterations[group.first];
    if (place.loop < 0) {
      to[g] = static_cast<Index>(groups.size());
      groups.push_back(group);
      continue;
    }
    const Loop& loop = iterations.loop(place.loop);
    Entries& e = loops[at(place.loop)];
    const Index operation = group.first - loop.starts[at(place.iteration)];
    const Index entry = e.alignment.entry_of[at(loop.variant[at(place.iteration)])][at(operation)];
    Index& made = e.group_of[at(entry)];
    if (made < 0) {
      made = static_cast<Index>(groups.size());
      groups.push_back(group);
      groups.back().loop = place.loop;
      groups.back().part = e.part_of[at(entry)];
    }
    to[g] = made;
  }
  return with_leaves_of_steps(r, mapped(with, to, std::move(groups)));
}

Grouping windowed(const Recorded& r, const Grouping& from, const Iterations& iterations,
                  Index window) {
  std::vector<Index> to(from.groups.size());
  std::vector<Group> groups;
  Grouping with = from;
  with.is_window = true;
  std::vector<std::vector<Index>> part_of;  // of each loop's iterations that are drawn
  for (const Loop& loop : iterations.folded->loops) {
    const auto all = static_cast<Index>(loop.starts.size());
    part_of.emplace_back(at(all), -1);
    with.path_of_loop.push_back(path_of(r, loop));
    std::vector<Index> hidden;
    const auto add = [&](std::vector<Index> some) {
      for (const Index i : some) part_of.back()[at(i)] = static_cast<Index>(with.parts.size());
      with.parts.push_back(
          {.loop = static_cast<Index>(part_of.size()) - 1, .iterations = std::move(some)});
    };
    for (Index i = 0; i < all; ++i) {
      if (i < window || i == all - 1)
        add({i});
      else
        hidden.push_back(i);
    }
    if (!hidden.empty()) add(std::move(hidden));
  }
  std::vector<Index> ellipsis(with.parts.size(), -1);
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    Group group = from.groups[g];
    const auto place =
        group.kind == Group::Kind::leaf ? Iterations::Place{} : iterations[group.first];
    to[g] = static_cast<Index>(groups.size());
    if (place.loop >= 0) {
      group.loop = place.loop;
      group.part = part_of[at(place.loop)][at(place.iteration)];
      // One step that is left over is drawn: an ellipsis would take as much room.
      if (with.parts[at(group.part)].iterations.size() > 1) {
        if (Index& known = ellipsis[at(group.part)]; known >= 0) {
          to[g] = known;
          continue;
        } else {
          known = to[g];
        }
        group.kind = Group::Kind::ellipsis;
        group.path = with.path_of_loop[at(place.loop)];
      }
    }
    groups.push_back(group);
  }
  return mapped(with, to, std::move(groups));
}

}  // namespace unroll::graph::detail
