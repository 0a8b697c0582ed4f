# Writes one add_test per top-level suite (or case) of a Boost.Test program.
#   cmake -D program=... -D folder=... -D list=... -P discover.cmake

cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND "${program}" --list_content=HRF
  RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text_too)
string(APPEND text "${text_too}")
if(status)
  message(FATAL_ERROR "${program} --list_content failed (${status}):\n${text}")
endif()

# A suite of many cases is run in parts, side by side: no test is as long as all others together.
set(cases_of_part 24)

# Those that take longest begin first, so that none is left for the end when all others are done.
set(long_suites gradcheck_mutations operations operation_nan random_programs gradcheck_large)

set(content)
set(names)
function(append_test name filter)
  set(cost)
  if(suite IN_LIST long_suites)
    set(cost "COST 100")
  endif()
  string(APPEND content
    "add_test([==[${folder}.${name}]==] [==[${program}]==] [==[--run_test=${filter}]==] --color_output=no)\n"
    "set_tests_properties([==[${folder}.${name}]==] PROPERTIES TIMEOUT 2400 SKIP_RETURN_CODE 77 ${cost})\n")
  set(content "${content}" PARENT_SCOPE)
endfunction()

string(REPLACE "\n" ";" lines "${text}")
foreach(line IN LISTS lines)
  if(line MATCHES "^([A-Za-z0-9_.]+)\\*?(:.*)?$")
    set(suite "${CMAKE_MATCH_1}")
    if(NOT suite IN_LIST names)
      list(APPEND names "${suite}")
      set(cases_${suite})
    endif()
  elseif(line MATCHES "^    ([^ *:]+)\\*?(:.*)?$")
    list(APPEND cases_${suite} "${CMAKE_MATCH_1}")
  endif()
endforeach()

foreach(suite IN LISTS names)
  list(LENGTH cases_${suite} count)
  if(count LESS_EQUAL cases_of_part)
    append_test("${suite}" "${suite}")
    continue()
  endif()
  set(part 1)
  foreach(begin RANGE 0 ${count} ${cases_of_part})
    list(SUBLIST cases_${suite} ${begin} ${cases_of_part} some)
    if(some)
      list(JOIN some "," filter)
      append_test("${suite}.${part}" "${suite}/${filter}")
      math(EXPR part "${part} + 1")
    endif()
  endforeach()
endforeach()
if(NOT names)
  message(FATAL_ERROR "${program} holds no tests:\n${text}")
endif()
file(WRITE "${list}" "${content}")
