# nexus_add_test(<name> SOURCES <file>... [LINK <target>...] [LABEL <label>])
#
# A GoogleTest executable whose tests ctest lists one by one, as <label>.<suite>.<test>.
# The name of a suite says how it wants to be run:
#   ...Soak     takes long; label `soak`, outside `./dev test`
#   ...Timing   measures time; runs alone
function(nexus_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 TEST "" "LABEL" "SOURCES;LINK")
  if(NOT TEST_LABEL)
    set(TEST_LABEL ${name})
  endif()
  add_executable(${name} ${TEST_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE nexus_warnings ${TEST_LINK} GTest::gmock_main)

  include(GoogleTest)
  # The first discovery excludes what the others pick out. Instrumented programs start slowly on a
  # busy machine, hence the time to list the tests.
  set(common
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" TEST_PREFIX "${TEST_LABEL}." DISCOVERY_TIMEOUT 120)
  gtest_discover_tests(${name} ${common} TEST_FILTER "-*Soak.*:*Timing.*"
    TEST_LIST ${name}_plain PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 300)
  gtest_discover_tests(${name} ${common} TEST_FILTER "*Timing.*"
    TEST_LIST ${name}_timing PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 300 RUN_SERIAL TRUE)
  gtest_discover_tests(${name} ${common} TEST_FILTER "*Soak.*"
    TEST_LIST ${name}_soak PROPERTIES LABELS soak TIMEOUT 3600 RUN_SERIAL TRUE)
endfunction()

# nexus_add_room(<room> [SOURCES <file>...] [TESTS <file>...] [DEPENDS <room>...] [LINK <target>...])
#
# The library nexus_<room> (headers only when there are no SOURCES) and, from TESTS, the executable
# <room>_test. Headers are found as "room/file.h" and <nexus/file.h>.
function(nexus_add_room room)
  cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "SOURCES;TESTS;DEPENDS;LINK")
  if(ROOM_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "nexus_add_room(${room}): unexpected ${ROOM_UNPARSED_ARGUMENTS}")
  endif()

  set(scope INTERFACE)
  if(ROOM_SOURCES)
    set(scope PUBLIC)
    add_library(nexus_${room} STATIC ${ROOM_SOURCES})
    target_link_libraries(nexus_${room} PRIVATE nexus_warnings)
  else()
    add_library(nexus_${room} INTERFACE)
  endif()
  target_include_directories(nexus_${room} ${scope}
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  list(TRANSFORM ROOM_DEPENDS PREPEND nexus_)
  target_link_libraries(nexus_${room} ${scope} ${ROOM_DEPENDS} ${ROOM_LINK})

  if(BUILD_TESTING AND ROOM_TESTS)
    nexus_add_test(${room}_test SOURCES ${ROOM_TESTS} LINK nexus_${room} LABEL ${room})
  endif()
endfunction()
