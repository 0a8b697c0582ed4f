# The page that graphs are written as (autograd/graph/page) becomes three strings in a source file.

foreach(part html css js)
  set(file "${PROJECT_SOURCE_DIR}/autograd/graph/page/page.${part}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(READ "${file}" unroll_page_${part})
endforeach()
set(unroll_page_source "${PROJECT_BINARY_DIR}/generated/page_text.cpp")
configure_file("${PROJECT_SOURCE_DIR}/autograd/graph/page/page_text.cpp.in" "${unroll_page_source}" @ONLY)
