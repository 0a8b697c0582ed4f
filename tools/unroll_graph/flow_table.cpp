#include <algorithm>
#include <cmath>

#include "request.h"
#include "table.h"

namespace graph_tool {

std::string flow_table(const unroll::graph::GradientFlow& flow) {
  Table table({"state", "steps", "first", "last", "least", "greatest", "growth a step back"});
  for (const unroll::graph::FlowSeries& s : flow.series) {
    std::string name =
        unroll::graph::printable(s.path, 200) + "." + unroll::graph::printable(s.state, 200);
    if (s.layer >= 0) name += ", layer " + std::to_string(s.layer);
    if (s.direction == unroll::graph::Direction::backward) name += " backwards";
    if (s.call > 0) name += ", call " + std::to_string(s.call);
    const auto [least, greatest] = std::ranges::minmax(s.norms);
    const double growth = s.growth();
    table.add({name, std::to_string(s.steps.size()), number_text(s.norms.front()),
               number_text(s.norms.back()), number_text(least), number_text(greatest),
               std::isnan(growth) ? "-" : number_text(growth)});
  }
  return "norms of the gradients of states, over time steps\n" + table.text();
}

}  // namespace graph_tool
