# The library as others find it: one shared library of all rooms up to the extensions, the public
# headers, find_package(Nexus) and pkg-config; and the command.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(nexus_library SHARED src/runtime/version.cc)
target_include_directories(nexus_library PRIVATE include)
target_compile_definitions(nexus_library PRIVATE NEXUS_VERSION="${PROJECT_VERSION}")
set_target_properties(nexus_library PROPERTIES
  OUTPUT_NAME nexus
  EXPORT_NAME nexus
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINKER_LANGUAGE CXX)
# What is not marked NEXUS_API is hidden (Compiler.cmake), so all of the rooms can go in.
set(rooms base sandbox js runtime extensions)
set(archives ${rooms})
list(TRANSFORM archives REPLACE "(.+)" "$<TARGET_FILE:nexus_\\1>")
target_link_libraries(nexus_library PRIVATE
  -Wl,--whole-archive ${archives} -Wl,--no-whole-archive
  CURL::libcurl OpenSSL::Crypto PkgConfig::zstd simdjson::simdjson Threads::Threads)
target_link_options(nexus_library PRIVATE -Wl,--no-undefined)
list(TRANSFORM rooms PREPEND nexus_)
add_dependencies(nexus_library ${rooms})
set_property(TARGET nexus_library APPEND PROPERTY LINK_DEPENDS ${archives})
target_compile_features(nexus_library INTERFACE cxx_std_20)
target_include_directories(nexus_library INTERFACE
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

install(TARGETS nexus_library EXPORT NexusTargets)
install(TARGETS nexus)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/nexus" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/Nexus")
install(EXPORT NexusTargets NAMESPACE Nexus:: DESTINATION "${package}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/install/NexusConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/NexusConfig.cmake" INSTALL_DESTINATION "${package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/NexusConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/NexusConfig.cmake"
  "${PROJECT_BINARY_DIR}/NexusConfigVersion.cmake" DESTINATION "${package}")
# Where it is installed is known when it is: `cmake --install build --prefix /opt/nexus`.
install(CODE "
  set(PROJECT_VERSION \"${PROJECT_VERSION}\")
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_PREFIX OUTPUT_VARIABLE prefix)
  set(libdir \"${CMAKE_INSTALL_LIBDIR}\")
  cmake_path(ABSOLUTE_PATH libdir BASE_DIRECTORY \"\${prefix}\")
  set(includedir \"${CMAKE_INSTALL_INCLUDEDIR}\")
  cmake_path(ABSOLUTE_PATH includedir BASE_DIRECTORY \"\${prefix}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/cmake/install/nexus.pc.in\"
    \"\$ENV{DESTDIR}\${libdir}/pkgconfig/nexus.pc\" @ONLY)")
