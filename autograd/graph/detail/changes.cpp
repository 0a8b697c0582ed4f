#include <unroll/autograd/graph/detail/boxes.h>
#include <unroll/autograd/graph/detail/changes.h>

#include <algorithm>
#include <set>
#include <utility>

namespace unroll::graph::detail {
namespace {

class Changes {
 public:
  Changes(Picture& picture, const Grouping& grouping, const Difference& difference)
      : p_(picture),
        g_(grouping),
        d_(difference),
        seen_(picture.boxes.size()),
        changed_(picture.boxes.size()),
        how_(picture.boxes.size()) {}

  void draw() {
    for (std::size_t n = 0; n < d_.nodes.size(); ++n) add(g_.of_node[n], d_.nodes[n]);
    for (std::size_t v = 0; v < d_.values.size(); ++v) add(g_.of_leaf[v], d_.values[v]);
    for (std::size_t b = 0; b < p_.boxes.size(); ++b)
      if (Box& box = p_.boxes[b]; box.change == Change::changed && box.count > 1)
        box.lines.push_back(std::to_string(changed_[b]) + " of " + std::to_string(box.count) +
                            word(b));
    for (Arrow& a : p_.arrows)
      for (const Index end : {a.from, a.to})
        if (const Change change = p_.boxes[at(end)].change;
            change == Change::added || change == Change::removed)
          a.change = change;
    former_operands();
    former_shapes();
    p_.notes.insert(p_.notes.begin(), summary());
  }

 private:
  // A box whose operations changed in different ways is a changed one.
  void add(Index box, Change change) {
    if (box < 0) return;
    Change& known = p_.boxes[at(box)].change;
    known = !seen_[at(box)] || known == change ? change : Change::changed;
    seen_[at(box)] = true;
    if (change == Change::none) return;
    how_[at(box)] = changed_[at(box)]++ == 0 || how_[at(box)] == change ? change : Change::changed;
  }

  std::string word(std::size_t box) const {
    return how_[box] == Change::added     ? " added"
           : how_[box] == Change::removed ? " removed"
                                          : " changed";
  }

  Index box_of(Index value) const {
    if (value < 0) return -1;
    const Index node = d_.merged.values[at(value)].node;
    return node >= 0 ? g_.of_node[at(node)] : g_.of_leaf[at(value)];
  }

  void former_operands() {
    std::set<std::pair<Index, Index>> drawn;
    for (const Arrow& a : p_.arrows) drawn.emplace(a.from, a.to);
    for (const auto& before : d_.nodes_before)
      for (const Index v : before.inputs) {
        const Index from = box_of(v), to = g_.of_node[at(before.node)];
        if (from < 0 || to < 0 || from == to || !drawn.emplace(from, to).second) continue;
        p_.arrows.push_back({.from = from,
                             .to = to,
                             .label = to_string(d_.merged.values[at(v)].shape),
                             .change = Change::removed});
      }
  }

  void former_shapes() {
    for (const auto& before : d_.values_before) {
      const Index box = box_of(before.value);
      if (box < 0) continue;
      auto& details = p_.boxes[at(box)].details;
      if (details.empty() || details.back().name != "before")
        details.push_back(
            {.name = "before",
             .value = std::string(name_of(before.dtype)) + " " + to_string(before.shape)});
    }
  }

  std::string summary() const {
    if (d_.empty()) return "nothing differs";
    return std::to_string(d_.added) + " added, " + std::to_string(d_.removed) + " removed, " +
           counted(d_.changed, "changed operation");
  }

  Picture& p_;
  const Grouping& g_;
  const Difference& d_;
  std::vector<bool> seen_;
  std::vector<Index> changed_;  // operations in each box
  std::vector<Change> how_;     // those changed
};

}  // namespace

void add_changes(Picture& picture, const Grouping& grouping, const Difference& difference) {
  Changes(picture, grouping, difference).draw();
}

}  // namespace unroll::graph::detail
