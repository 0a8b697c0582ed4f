#include <unroll/autograd/graph/detail/boxes.h>
#include <unroll/autograd/graph/detail/iterations.h>
#include <unroll/autograd/graph/detail/reduce.h>
#include <unroll/autograd/graph/detail/stages.h>
#include <unroll/autograd/graph/dot.h>

#include <algorithm>
#include <functional>
#include <map>

namespace unroll::graph::detail {
namespace {

// A snapshot on its way to a picture.
class Stages {
 public:
  Stages(const Recorded& recorded, const DrawOptions& options, std::vector<Index> centre)
      : r_(recorded),
        o_(options),
        centre_(std::move(centre)),
        budget_(options.backward && options.budget > 0 ? std::max<Index>(1, options.budget / 2)
                                                       : options.budget),
        grouping_(ungrouped(recorded)) {}

  Reduced run() && {
    if (!o_.focus.name.empty()) focus();
    if (o_.window > 0)
      window();
    else if (o_.fold_time.value_or(budget_ > 0 && count() > budget_))
      fold_time();
    if (o_.depth >= 0)
      collapse(o_.depth);
    else
      collapse_to_budget();
    links_ = links_of(r_, grouping_, iterations_);
    if (budget_ > 0 && count() > budget_) thin();
    tell_of_loops();
    return {.grouping = std::move(grouping_),
            .folded = std::move(folded_),
            .iterations = std::move(iterations_),
            .links = std::move(links_),
            .notes = std::move(notes_)};
  }

 private:
  Index count() const { return static_cast<Index>(grouping_.groups.size()); }

  void focus() {
    const Index before = grouping_.operations();
    grouping_ = focused(r_, grouping_, o_.focus);
    const Index hidden = before - grouping_.operations();
    const std::string of = o_.focus.ancestors && o_.focus.descendants ? "neither lead to nor follow"
                           : o_.focus.ancestors                       ? "do not lead to"
                                                                      : "do not follow";
    if (hidden > 0)
      notes_.push_back(
          counted(hidden, "operation") + " that " + of + " " + printable(o_.focus.name) +
          (o_.focus.distance >= 0 ? " within " + counted(o_.focus.distance, "operation")
                                  : std::string()) +
          (hidden == 1 ? " is" : " are") + " not shown");
  }

  void find_loops() {
    folded_ = std::make_unique<Folded>(fold(r_.snapshot));
    iterations_ = iterations_of(r_, *folded_);
  }

  std::string name_of(Index loop) const {
    const Index path = grouping_.path_of_loop[at(loop)];
    return path == 0 ? "a loop" : printable(r_.paths.full(path));
  }

  void fold_time() {
    find_loops();
    if (folded_->loops.empty()) {
      if (o_.fold_time) notes_.emplace_back("no loop was found in what is recorded");
      return;
    }
    grouping_ = grouped_by_loop(r_, grouping_, iterations_);
  }
  std::vector<bool> loops_drawn() const {
    std::vector<bool> drawn(grouping_.path_of_loop.size());
    for (const Group& g : grouping_.groups)
      if (g.loop >= 0) drawn[at(g.loop)] = true;
    return drawn;
  }

  void window() {
    find_loops();
    if (folded_->loops.empty()) notes_.emplace_back("no loop was found in what is recorded");
    grouping_ = windowed(r_, grouping_, iterations_, o_.window);
    for (const Group& g : grouping_.groups)
      if (g.kind == Group::Kind::ellipsis)
        notes_.push_back(
            counted(static_cast<Index>(grouping_.parts[at(g.part)].iterations.size()), "step") +
            " of " + name_of(g.loop) + " are not drawn");
  }

  void collapse(Index depth) {
    grouping_ = collapsed(r_, grouping_, depth);
    Index modules = 0;
    for (const Group& g : grouping_.groups) modules += g.kind == Group::Kind::module ? 1 : 0;
    if (modules == 0) return;
    notes_.push_back(counted(modules, "module") +
                     (depth == 0 ? std::string() : " below depth " + std::to_string(depth)) +
                     (modules == 1 ? " is one box" : " are one box each"));
  }

  void collapse_to_budget() {
    if (budget_ == 0 || count() <= budget_) return;
    Index deepest = 0;
    for (const Group& g : grouping_.groups) deepest = std::max(deepest, r_.paths.depth(g.path));
    const Grouping whole = grouping_;
    const auto notes = notes_.size();
    for (Index depth = deepest - 1; depth >= 0 && count() > budget_; --depth) {
      grouping_ = whole;
      notes_.resize(notes);
      collapse(depth);
    }
  }

  void thin() {
    const Index before = grouping_.operations();
    grouping_ = thinned(r_, grouping_, links_.links, centre_, budget_);
    links_ = links_of(r_, grouping_, iterations_);
    const Index hidden = before - grouping_.operations();
    notes_.push_back(counted(hidden, "operation") + " farther from the " +
                     (!centre_.empty()        ? "changes"
                      : r_.snapshot.loss >= 0 ? "loss"
                                              : "end") +
                     (hidden == 1 ? " is" : " are") + " not shown");
  }

  // "200 steps of a, of b and of c are drawn once"; what is inside of a module's box is not drawn.
  void tell_of_loops() {
    if (folded_ == nullptr || o_.window > 0) return;
    const auto drawn = loops_drawn();
    using Loops = std::map<Index, std::vector<Index>, std::greater<>>;  // by a number of steps
    Loops once, apart;
    for (std::size_t l = 0; l < drawn.size(); ++l) {
      if (!drawn[l]) continue;
      const Loop& loop = folded_->loops[l];
      std::size_t most = 0;
      for (const auto& variant : loop.variants) most = std::max(most, variant.iterations.size());
      once[static_cast<Index>(loop.starts.size())].push_back(static_cast<Index>(l));
      if (most < loop.starts.size())
        apart[static_cast<Index>(loop.starts.size() - most)].push_back(static_cast<Index>(l));
    }
    std::vector<std::string> notes;
    for (const auto& [steps, loops] : once)
      notes.push_back(steps_of(steps, loops) + " are drawn once");
    for (const auto& [steps, loops] : apart)
      notes.push_back(steps_of(steps, loops) +
                      (steps == 1 && loops.size() == 1 ? " differs" : " differ") +
                      ": what not every step does is framed apart");
    notes_.insert(notes_.begin(), notes.begin(), notes.end());
  }
  std::string steps_of(Index steps, const std::vector<Index>& loops) const {
    return counted(steps, "step") + (loops.size() > 1 ? " each" : "") + " of " + names_of(loops);
  }
  std::string names_of(const std::vector<Index>& loops) const {
    constexpr std::size_t most = 4;
    std::vector<Index> named;
    for (const Index l : loops)
      if (grouping_.path_of_loop[at(l)] != 0) named.push_back(l);
    if (const std::size_t others = loops.size() - named.size(); others > 1)
      return (named.empty() ? "" : names_of(named) + " and ") + std::to_string(others) + " loops";
    std::string text;
    const std::size_t shown = loops.size() > most ? most - 1 : loops.size();
    for (std::size_t i = 0; i < shown; ++i)
      text += (i == 0 ? "" : i + 1 == loops.size() ? " and " : ", ") + name_of(loops[i]);
    return loops.size() > most
               ? text + " and " + std::to_string(loops.size() - shown) + " other loops"
               : text;
  }

  const Recorded& r_;
  const DrawOptions& o_;
  const std::vector<Index> centre_;  // nodes
  const Index budget_;               // derivatives double the boxes
  Grouping grouping_;
  std::unique_ptr<Folded> folded_;
  Iterations iterations_;
  Links links_;
  std::vector<std::string> notes_;
};

}  // namespace

Reduced reduced(const Recorded& recorded, const DrawOptions& options, std::vector<Index> centre) {
  return Stages(recorded, options, std::move(centre)).run();
}

}  // namespace unroll::graph::detail
