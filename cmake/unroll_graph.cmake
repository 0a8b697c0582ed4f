# The target unroll::graph: pictures through Graphviz. A library of its own, so that nobody else loads Graphviz.

file(GLOB unroll_graph_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/autograd/graphviz/*.cpp")
add_library(unroll_graph ${unroll_graph_sources})
add_library(unroll::graph ALIAS unroll_graph)
set_target_properties(unroll_graph PROPERTIES
  EXPORT_NAME graph
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
# <unroll/autograd/graph/write.h> then knows that there is a renderer.
target_compile_definitions(unroll_graph PUBLIC UNROLL_GRAPHVIZ)
target_link_libraries(unroll_graph PUBLIC unroll PRIVATE unroll::graphviz Threads::Threads)
unroll_warnings(unroll_graph)
