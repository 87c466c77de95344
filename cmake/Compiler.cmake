# How everything is compiled: the language, hardening and sanitizers for every target, the warnings
# for those that link nexus_warnings (generated code does not).

option(NEXUS_WERROR "Warnings are errors" OFF)
set(NEXUS_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, separated by commas; empty for none")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(NEXUS_CCACHE ccache)
if(NEXUS_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${NEXUS_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${NEXUS_CCACHE}")
endif()

# Binaries, reports and test output name files as the repository does, wherever it was built.
add_compile_options("-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")

add_compile_options(-fstack-protector-strong)
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
if(NEXUS_SANITIZE)
  add_compile_options(-fsanitize=${NEXUS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NEXUS_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # Only optimised code can be fortified, and the sanitizers do its work themselves.
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

add_library(nexus_warnings INTERFACE)
target_compile_options(nexus_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wundef -Wformat=2
  -Wcast-align -Wimplicit-fallthrough
  # Members have defaults beside them; naming only the others is the point of designated initialisers.
  -Wno-missing-field-initializers
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<COMPILE_LANGUAGE:CXX>:-Wextra-semi>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wsuggest-override>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wduplicated-cond>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wlogical-op>
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>
  $<$<BOOL:${NEXUS_WERROR}>:-Werror>)
if(NEXUS_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Instrumented code defeats gcc's flow analysis; -Wtsan objects to fences in the standard library.
  target_compile_options(nexus_warnings INTERFACE -Wno-maybe-uninitialized -Wno-tsan)
endif()
