#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/detail/backward.h>

namespace unroll::graph::detail {
namespace {

class Mirror {
 public:
  Mirror(Picture& picture, const Drawn& drawn)
      : p_(picture),
        d_(drawn),
        box_of_(drawn.grouping.groups.size(), -1),
        frame_of_(picture.frames.size(), -1) {}

  void draw() {
    for (std::size_t g = 0; g < box_of_.size(); ++g)
      if (d_.grouping.groups[g].kind != Group::Kind::leaf && d_.measured.of_group[g].reaches_loss)
        derivative(static_cast<Index>(g));
    for (const Link& link : d_.links.links) gradient(link);
    for (std::size_t g = 0; g < box_of_.size(); ++g) {
      if (box_of_[g] < 0 || d_.grouping.groups[g].kind == Group::Kind::leaf) continue;
      const Measures& m = d_.measured.of_group[g];
      if (m.is_loss)
        p_.arrows.push_back({.from = static_cast<Index>(g),
                             .to = box_of_[g],
                             .kind = Arrow::Kind::gradient,
                             .label = "∂loss = 1"});
      else if (m.saved_bytes > 0)
        p_.arrows.push_back(
            {.from = static_cast<Index>(g), .to = box_of_[g], .kind = Arrow::Kind::saved});
    }
  }

 private:
  // The frame of derivatives beside a frame; they run from the last iteration to the first.
  Index frame(Index forward) {
    if (forward < 0) return -1;
    if (Index known = frame_of_[at(forward)]; known >= 0) return known;
    const Index around = frame(p_.frames[at(forward)].inside);
    Frame f = p_.frames[at(forward)];
    f.id.insert(0, "d");
    if (!f.name.empty() && !f.loop) f.name.insert(0, "∂ ");
    constexpr std::string_view backward = ", backwards";
    if (f.badge.ends_with(backward))
      f.badge.resize(f.badge.size() - backward.size());
    else if (f.badge.starts_with("×"))
      f.badge += backward;
    f.inside = around;
    frame_of_[at(forward)] = static_cast<Index>(p_.frames.size());
    frame_of_.push_back(-1);
    p_.frames.push_back(std::move(f));
    return frame_of_[at(forward)];
  }

  void derivative(Index g) {
    const Box& forward = p_.boxes[at(g)];
    const Measures& m = d_.measured.of_group[at(g)];
    Box b{.id = "d" + forward.id,
          .kind = forward.kind == Box::Kind::ellipsis ? Box::Kind::ellipsis : Box::Kind::derivative,
          .frame = frame(forward.frame),
          .view = forward.view,
          .count = forward.count};
    b.lines = {forward.kind == Box::Kind::ellipsis ? forward.lines[0] : "∂ " + forward.lines[0]};
    b.details.push_back({.name = "derivative of", .value = forward.lines[0]});
    if (m.saved_bytes > 0)
      b.details.push_back({.name = "reads", .value = bytes_text(m.saved_bytes)});
    if (m.backward_seconds)
      b.details.push_back({.name = "seconds", .value = short_number(*m.backward_seconds)});
    box_of_[at(g)] = static_cast<Index>(p_.boxes.size());
    p_.boxes.push_back(std::move(b));
  }

  // Where the gradient of a parameter is summed up.
  Index sum(Index g) {
    const Group& group = d_.grouping.groups[at(g)];
    if (!d_.recorded.value(group.first).parameter) return -1;
    if (box_of_[at(g)] >= 0) return box_of_[at(g)];
    const Box& forward = p_.boxes[at(g)];
    Box b{.id = "d" + forward.id,
          .kind = Box::Kind::derivative,
          .frame = frame(forward.frame),
          .amount = forward.amount,
          .not_finite = forward.not_finite,
          .dead = forward.dead};
    b.lines = {"∂ " + forward.lines[0]};
    if (forward.lines.size() > 1) b.lines.push_back(forward.lines[1]);
    b.details.push_back({.name = "gradient of", .value = d_.recorded.value(group.first).name});
    if (const auto norm = d_.measured.of_group[at(g)].gradient_norm)
      b.details.push_back({.name = "‖gradient‖", .value = short_number(*norm)});
    box_of_[at(g)] = static_cast<Index>(p_.boxes.size());
    p_.boxes.push_back(std::move(b));
    return box_of_[at(g)];
  }

  void gradient(const Link& link) {
    if (box_of_[at(link.to)] < 0) return;
    const bool to_leaf = d_.grouping.groups[at(link.from)].kind == Group::Kind::leaf;
    const Index to = to_leaf ? sum(link.from) : box_of_[at(link.from)];
    if (to < 0) return;
    Arrow a{.from = box_of_[at(link.to)], .to = to, .kind = Arrow::Kind::gradient};
    if (link.latest_delay > 0)
      a.label = (link.state >= 0 ? "∂" + d_.links.states[at(link.state)] + ", " : std::string()) +
                delay_text(d_, link, true);
    else if (to_leaf && link.count > 1)
      a.label = "Σ of " + std::to_string(link.count);
    a.delayed = link.delay > 0;
    a.count = link.count;
    p_.arrows.push_back(std::move(a));
  }

  Picture& p_;
  const Drawn& d_;
  std::vector<Index> box_of_;    // of each group: its derivative or sum
  std::vector<Index> frame_of_;  // of each frame: the one of derivatives
};

}  // namespace

void add_backward(Picture& picture, const Drawn& drawn) {
  if (drawn.recorded.snapshot.loss < 0)
    fail_nowhere("graph", {.given = "backward of a snapshot without a loss",
                           .needed = "a gradient that was asked for before snapshot()",
                           .hint = "tape.backward(loss)"});
  Mirror(picture, drawn).draw();
}

}  // namespace unroll::graph::detail
