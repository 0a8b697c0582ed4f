#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/detail/overlay.h>

#include <algorithm>
#include <cmath>

namespace unroll::graph::detail {
namespace {

[[noreturn]] void fail_absent(const char* given, const char* needed, const char* hint) {
  fail_nowhere("graph", {.given = given, .needed = needed, .hint = hint});
}

std::optional<double> amount_of(const Group& group, const Measures& m, const DrawOptions& o) {
  if (o.gradients) return m.gradient_norm;
  const bool leaf = group.kind == Group::Kind::leaf;
  if (o.memory) {
    if (m.bytes + m.saved_bytes == 0) return {};  // a view
    return static_cast<double>(m.bytes + m.saved_bytes);
  }
  if (leaf || (!m.seconds && !m.backward_seconds)) return {};
  return m.seconds.value_or(0) + m.backward_seconds.value_or(0);
}

void check_present(const Snapshot& s, const DrawOptions& o) {
  if (o.gradients && std::none_of(s.values.begin(), s.values.end(),
                                  [](const Value& v) { return v.gradient_norm.has_value(); }))
    fail_absent("gradients of a snapshot without norms",
                "norms that a backward pass kept before snapshot()",
                "tape.backward(loss, {.keep_norms = true})");
  if (o.time && std::none_of(s.nodes.begin(), s.nodes.end(), [](const Node& n) {
        return n.seconds.has_value() || n.backward_seconds.has_value();
      }))
    fail_absent("time of a snapshot without timings", "a tape that keeps time",
                "Tape tape({.timings = true})");
}

}  // namespace

void add_overlay(Picture& picture, const Drawn& d, const DrawOptions& o) {
  if (!o.gradients && !o.memory && !o.time) return;
  check_present(d.recorded.snapshot, o);
  Scale scale{.title = o.gradients ? "‖gradient‖" : o.memory ? "bytes" : "seconds"};
  double least_positive = 0;
  bool any = false;
  for (std::size_t g = 0; g < d.grouping.groups.size(); ++g) {
    const auto amount = amount_of(d.grouping.groups[g], d.measured.of_group[g], o);
    picture.boxes[g].amount = amount;
    if (!amount || !std::isfinite(*amount)) continue;
    scale.least = any ? std::min(scale.least, *amount) : *amount;
    scale.most = any ? std::max(scale.most, *amount) : *amount;
    any = true;
    if (*amount > 0 && (least_positive == 0 || *amount < least_positive)) least_positive = *amount;
  }
  // Over more than two decades a linear scale would show the largest alone.
  scale.logarithmic = least_positive > 0 && scale.most > 100 * least_positive;
  if (scale.logarithmic) scale.least = least_positive;
  picture.scale = scale;
}

}  // namespace unroll::graph::detail
