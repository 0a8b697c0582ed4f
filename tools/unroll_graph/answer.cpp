#include <unroll/autograd/graph.h>

#include <iostream>
#include <sstream>

#include "request.h"

namespace graph_tool {
namespace {

namespace graph = unroll::graph;

template <class Graph>
std::string drawn(const Graph& what, const Request& request) {
  return graph::detail::text_of(request.format, what, request.draw, graph::detail::linked_renderer);
}

std::string listed(const graph::Difference& difference) {
  std::ostringstream out;
  out << difference;
  return out.str();
}

}  // namespace

graph::Snapshot read(const std::string& path) {
  if (path != "-") return graph::read(path);
  return graph::from_json(std::cin);
}

Answer answer(const Request& request) {
  const graph::Snapshot snapshot = read(request.input);
  switch (request.question) {
    case Question::stats:
      return {.bytes = stats(snapshot)};
    case Question::flow: {
      const graph::GradientFlow flow = graph::gradient_flow(snapshot);
      if (request.format == "text") return {.bytes = flow_table(flow)};
      std::ostringstream out;
      graph::write_csv(out, flow);
      return {.bytes = out.str()};
    }
    case Question::same: {
      const auto report = graph::same_structure(snapshot, read(request.other), request.compare);
      if (report.ok()) return {};
      return {.bytes = report.text() + "\n", .status = differs};
    }
    case Question::diff: {
      const graph::Difference difference =
          graph::diff(snapshot, read(request.other), request.compare);
      return {.bytes = request.format == "text" ? listed(difference) : drawn(difference, request),
              .status = difference.empty() ? fine : differs};
    }
    case Question::picture:
      break;
  }
  return {.bytes = drawn(snapshot, request)};
}

}  // namespace graph_tool
