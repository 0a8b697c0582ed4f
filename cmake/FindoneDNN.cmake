# oneDNN as the target unroll::onednn, by header and library. The package's own configuration asks for OpenCL,
# which its development package does not bring and unroll does not use.

find_path(oneDNN_INCLUDE_DIR NAMES dnnl.h)
find_library(oneDNN_LIBRARY NAMES dnnl)
mark_as_advanced(oneDNN_INCLUDE_DIR oneDNN_LIBRARY)

set(oneDNN_OPENMP FALSE)
if(oneDNN_INCLUDE_DIR)
  file(GLOB oneDNN_headers "${oneDNN_INCLUDE_DIR}/dnnl_version.h"
    "${oneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h")
  foreach(header IN LISTS oneDNN_headers)
    foreach(part MAJOR MINOR PATCH)
      file(STRINGS "${header}" line REGEX "define DNNL_VERSION_${part} +[0-9]+")
      if(line MATCHES "${part} +([0-9]+)")
        set(oneDNN_${part} "${CMAKE_MATCH_1}")
      endif()
    endforeach()
  endforeach()
  set(oneDNN_VERSION "${oneDNN_MAJOR}.${oneDNN_MINOR}.${oneDNN_PATCH}")

  file(GLOB oneDNN_headers "${oneDNN_INCLUDE_DIR}/dnnl_config.h"
    "${oneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_config.h")
  foreach(header IN LISTS oneDNN_headers)
    file(STRINGS "${header}" line REGEX "define DNNL_CPU_THREADING_RUNTIME +DNNL_RUNTIME_OMP")
    if(line)
      set(oneDNN_OPENMP TRUE)
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(oneDNN
  REQUIRED_VARS oneDNN_LIBRARY oneDNN_INCLUDE_DIR
  VERSION_VAR oneDNN_VERSION)

if(oneDNN_FOUND AND NOT TARGET unroll::onednn)
  add_library(unroll::onednn UNKNOWN IMPORTED GLOBAL)
  set_target_properties(unroll::onednn PROPERTIES
    IMPORTED_LOCATION "${oneDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${oneDNN_INCLUDE_DIR}")
  if(oneDNN_OPENMP)
    # Calls come from unroll's own tasks, so OpenMP is held to one thread: omp_set_num_threads.
    set_target_properties(unroll::onednn PROPERTIES INTERFACE_LINK_LIBRARIES gomp)
  endif()
endif()
