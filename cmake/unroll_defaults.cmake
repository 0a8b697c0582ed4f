# What holds for every target of the tree: build type, warnings, sanitizers, compiler cache.

set(CMAKE_CXX_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_STANDARD 20)
  set(CMAKE_CXX_STANDARD_REQUIRED ON)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  find_program(UNROLL_CCACHE ccache DOC "Compiler cache, used where found")
  mark_as_advanced(UNROLL_CCACHE)
  if(UNROLL_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${UNROLL_CCACHE}")
  endif()
endif()

if(UNROLL_SANITIZE STREQUAL "address")
  # Left out: what makes pointwise kernels compile several times longer. The address sanitizer finds most of it all the
  # same, but not a use of a local variable after its block.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,object-size,vptr
    -fno-sanitize-address-use-after-scope -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  add_link_options(-fsanitize=address,undefined)
elseif(UNROLL_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(UNROLL_SANITIZE)
  message(FATAL_ERROR "UNROLL_SANITIZE is '${UNROLL_SANITIZE}'; needed address, thread or nothing")
endif()

# Our own targets only: a project that includes this one keeps its own warnings.
function(unroll_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    # gcc 12 sees an overlap in "literal" + std::string() that is not there (gcc bug 105651).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    # Instrumented code looks to it as if empty objects were read before they were written.
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${UNROLL_SANITIZE}>>:-Wno-maybe-uninitialized>
    $<$<BOOL:${UNROLL_WERROR}>:-Werror>)
endfunction()
