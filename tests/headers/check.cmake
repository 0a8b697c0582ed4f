# Compiles every header of a folder alone, internals (detail/) and bodies that are included several times
# (no #pragma once) left out, and looks at what it includes.
cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE headers RELATIVE "${source}" "${source}/${folder}/*.h")
if(folder STREQUAL "autograd")
  list(APPEND headers unroll.h)
endif()
foreach(header IN LISTS headers)
  file(STRINGS "${source}/${header}" once REGEX "^#pragma once" LIMIT_COUNT 1)
  if(header MATCHES "/detail/" OR NOT once)
    continue()
  endif()
  execute_process(
    COMMAND "${compiler}" -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
      "-I${include}" -include "unroll/${header}" -x c++ -fsyntax-only -MD -MF /dev/stdout /dev/null
    RESULT_VARIABLE status OUTPUT_VARIABLE included ERROR_VARIABLE messages)
  if(NOT status EQUAL 0)
    message(SEND_ERROR "${header} does not compile by itself:\n${messages}")
  elseif(included MATCHES "[^ \n]*/(Eigen|tbb|oneapi|nlohmann|boost|CLI)/[^ \n]*|[^ \n]*/dnnl[^ \n]*")
    message(SEND_ERROR "${header} includes ${CMAKE_MATCH_0}; needed: no header of a library that unroll is built on")
  endif()
endforeach()
