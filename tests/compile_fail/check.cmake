# cmake -D compiler=... -D program=... -D include=... -P check.cmake
cmake_minimum_required(VERSION 3.25)

set(ENV{LC_ALL} C)
set(command "${compiler}" -std=c++20 -Wall -Wextra -Werror -fsyntax-only "-I${include}")

file(STRINGS "${program}" first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${program} begins with:\n${first}\nneeded: // expect: <what the compiler says>")
endif()
string(STRIP "${CMAKE_MATCH_1}" expected)

execute_process(COMMAND ${command} "${program}"
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "${program} compiles; it must not")
endif()
string(FIND "${output}" "${expected}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "${program} fails to compile, as it should, but without the words\n"
    "  ${expected}\nin the compiler's output:\n${output}")
endif()

file(STRINGS "${program}" switch REGEX "UNROLL_GOOD" LIMIT_COUNT 1)
if(switch)
  execute_process(COMMAND ${command} -DUNROLL_GOOD "${program}"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${program} must compile with -DUNROLL_GOOD:\n${output}")
  endif()
endif()
