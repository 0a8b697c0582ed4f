# Graphviz's libraries as the target unroll::graphviz: libgvc, which draws, and libcgraph, which reads DOT. Graphviz has no
# configuration for CMake.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(Graphviz_pc QUIET libgvc)
endif()
find_path(Graphviz_INCLUDE_DIR NAMES gvc.h
  HINTS ${Graphviz_pc_INCLUDE_DIRS} PATH_SUFFIXES graphviz)
find_library(Graphviz_gvc_LIBRARY NAMES gvc HINTS ${Graphviz_pc_LIBRARY_DIRS})
find_library(Graphviz_cgraph_LIBRARY NAMES cgraph HINTS ${Graphviz_pc_LIBRARY_DIRS})
mark_as_advanced(Graphviz_INCLUDE_DIR Graphviz_gvc_LIBRARY Graphviz_cgraph_LIBRARY)

if(Graphviz_INCLUDE_DIR AND EXISTS "${Graphviz_INCLUDE_DIR}/graphviz_version.h")
  file(STRINGS "${Graphviz_INCLUDE_DIR}/graphviz_version.h" line REGEX "define PACKAGE_VERSION ")
  if(line MATCHES "\"([0-9.]+)")
    set(Graphviz_VERSION "${CMAKE_MATCH_1}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Graphviz
  REQUIRED_VARS Graphviz_gvc_LIBRARY Graphviz_cgraph_LIBRARY Graphviz_INCLUDE_DIR
  VERSION_VAR Graphviz_VERSION)

if(Graphviz_FOUND AND NOT TARGET unroll::graphviz)
  add_library(unroll::graphviz INTERFACE IMPORTED GLOBAL)
  set_target_properties(unroll::graphviz PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${Graphviz_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${Graphviz_gvc_LIBRARY};${Graphviz_cgraph_LIBRARY}")
endif()
