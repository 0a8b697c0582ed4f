// Draws, measures and compares recordings that were saved by graph::write("model.json").
#include <cstdio>
#include <exception>

#include "request.h"

int main(int argc, char** argv) {
  using namespace graph_tool;
  try {
    Request request;
    if (const int status = parse(argc, argv, request); status >= 0) return status;
    const Answer found = answer(request);
    put(request.output, found.bytes);
    return found.status;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "unroll-graph: %s\n", e.what());
    return misused;
  }
}
