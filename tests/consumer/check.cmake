# Configures, builds and runs the project tests/consumer/<kind>, in a folder of its own.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${folder}/prefix" "${folder}/graph")
set(configure "${CMAKE_COMMAND}" -G "${generator}" -S "${source}/tests/consumer/${kind}"
  "-DCMAKE_CXX_COMPILER=${compiler}")
if(launcher)
  list(APPEND configure "-DCMAKE_CXX_COMPILER_LAUNCHER=${launcher}")
endif()

if(kind STREQUAL "package")
  # Nothing of the tree may be needed once it is installed, so the build folder starts empty too.
  file(REMOVE_RECURSE "${folder}/build")
  run("${CMAKE_COMMAND}" --install "${build}" --prefix "${folder}/prefix")
  list(APPEND configure "-DCMAKE_PREFIX_PATH=${folder}/prefix")
  file(GLOB_RECURSE installed RELATIVE "${folder}/prefix" "${folder}/prefix/include/*")
  foreach(file IN LISTS installed)
    if(NOT file MATCHES "^include/unroll/(unroll\\.h|(autograd|nn|optim)/.*\\.h)$")
      message(FATAL_ERROR "installed ${file}; needed headers below include/unroll alone")
    endif()
  endforeach()
else()
  # That it builds and links is the question, so nothing is optimised.
  list(APPEND configure "-DUNROLL_ROOT=${source}" "-DUNROLL_ONEDNN=${onednn}"
    -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0)
endif()

run(${configure} -B "${folder}/build")
run("${CMAKE_COMMAND}" --build "${folder}/build" --parallel 2)
run("${folder}/build/my_model")
if(NOT output MATCHES "36")
  message(FATAL_ERROR "my_model printed\n${output}\nneeded 36, the sum of the cubes of 1, 2 and 3")
endif()

if(kind STREQUAL "package")
  # A component that does not exist is refused in words.
  execute_process(COMMAND ${configure} -B "${folder}/graph" -DCOMPONENTS=graph
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(status EQUAL 0 OR NOT output MATCHES "has no[ \n]+component[ \n]+'graph'")
    message(FATAL_ERROR "find_package(unroll COMPONENTS graph) ended with ${status}:\n${output}")
  endif()
endif()
