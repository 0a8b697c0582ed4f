# What the library links. Eigen, oneTBB, oneDNN and nlohmann-json appear in no public header.

# A project that adds this one as a subdirectory links these targets from its own scope.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

set(unroll_hint "on Debian, tools/setup.sh installs what is missing")
macro(unroll_require package)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} ${ARGN} was not found; hint: ${unroll_hint}")
  endif()
endmacro()

unroll_require(Threads)
unroll_require(TBB)
unroll_require(Eigen3 3.4)
unroll_require(nlohmann_json)

# A library that can be done without: AUTO takes it where it is found.
macro(unroll_prefer option package)
  if(${option} STREQUAL "ON")
    unroll_require(${package})
  elseif(${option} STREQUAL "AUTO")
    find_package(${package} QUIET)
  elseif(NOT ${option} STREQUAL "OFF")
    message(FATAL_ERROR "${option} is '${${option}}'; needed AUTO, ON or OFF")
  else()
    set(${package}_FOUND FALSE)
  endif()
endmacro()

unroll_prefer(UNROLL_ONEDNN oneDNN)
unroll_prefer(UNROLL_GRAPHVIZ Graphviz)
