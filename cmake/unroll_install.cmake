# The installed package: find_package(unroll) gives unroll::unroll, find_package(unroll COMPONENTS graph) unroll::graph too.

include(CMakePackageConfigHelpers)

set(unroll_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/unroll")
get_target_property(unroll_type unroll TYPE)

install(TARGETS unroll EXPORT unroll_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT unroll_targets FILE unrollTargets.cmake NAMESPACE unroll::
  DESTINATION "${unroll_package_dir}")
set(unroll_modules "${PROJECT_SOURCE_DIR}/cmake/FindoneDNN.cmake")
if(TARGET unroll_graph)
  # Exported apart: who asks for no component needs no Graphviz.
  install(TARGETS unroll_graph EXPORT unroll_graph_targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT unroll_graph_targets FILE unrollGraphTargets.cmake NAMESPACE unroll::
    DESTINATION "${unroll_package_dir}")
  list(APPEND unroll_modules "${PROJECT_SOURCE_DIR}/cmake/FindGraphviz.cmake")
endif()
install(FILES "${PROJECT_SOURCE_DIR}/unroll.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/unroll")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/autograd" "${PROJECT_SOURCE_DIR}/nn"
  "${PROJECT_SOURCE_DIR}/optim"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/unroll" FILES_MATCHING PATTERN "*.h")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/unrollConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/unrollConfig.cmake"
  INSTALL_DESTINATION "${unroll_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/unrollConfig.cmake"
  "${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake"
  ${unroll_modules}
  DESTINATION "${unroll_package_dir}")
