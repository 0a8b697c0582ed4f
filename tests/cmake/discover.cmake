# Writes one add_test per top-level suite (or case) of a Boost.Test program.
#   cmake -D program=... -D folder=... -D list=... -P discover.cmake

cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND "${program}" --list_content=HRF
  RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text_too)
string(APPEND text "${text_too}")
if(status)
  message(FATAL_ERROR "${program} --list_content failed (${status}):\n${text}")
endif()

set(content)
set(names)
string(REPLACE "\n" ";" lines "${text}")
foreach(line IN LISTS lines)
  if(line MATCHES "^([A-Za-z0-9_.]+)\\*?(:.*)?$")
    set(name "${CMAKE_MATCH_1}")
    if(name IN_LIST names)
      continue()
    endif()
    list(APPEND names "${name}")
    string(APPEND content
      "add_test([==[${folder}.${name}]==] [==[${program}]==] [==[--run_test=${name}]==] --color_output=no)\n"
      "set_tests_properties([==[${folder}.${name}]==] PROPERTIES TIMEOUT 2400 SKIP_RETURN_CODE 77)\n")
  endif()
endforeach()
if(NOT names)
  message(FATAL_ERROR "${program} holds no tests:\n${text}")
endif()
file(WRITE "${list}" "${content}")
