# Guests: WebAssembly modules translated to C and compiled ahead of time.
#
#   nexus_add_guest(<target> MODULE <file.wasm|file.wat> NAME <name> VARIANT native|checked SYMBOL <symbol>)
#
# makes <target>, an object library whose object is built once and shared by all presets: it lives in
# NEXUS_GUEST_DIR under a key of everything that goes into it.

set(NEXUS_GUEST_DIR "${CMAKE_SOURCE_DIR}/build/guest" CACHE PATH
    "Where compiled guests are kept, shared by all presets")
set(NEXUS_GUEST_FLAGS "" CACHE STRING "More flags for the guest's C; for measurements only")
find_program(NEXUS_GUEST_CC NAMES gcc REQUIRED)
find_program(NEXUS_WASM2C wasm2c REQUIRED)
find_program(NEXUS_NODE NAMES node nodejs REQUIRED)
execute_process(COMMAND ${NEXUS_WASM2C} --version OUTPUT_VARIABLE NEXUS_WABT_VERSION
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${NEXUS_GUEST_CC} -dumpfullversion OUTPUT_VARIABLE NEXUS_GUEST_CC_VERSION
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(NEXUS_GUEST_TOOLS
    ${CMAKE_SOURCE_DIR}/tools/guest/build.sh
    ${CMAKE_SOURCE_DIR}/tools/guest/translate.mjs
    ${CMAKE_SOURCE_DIR}/tools/guest/interpreter.mjs
    ${CMAKE_SOURCE_DIR}/src/sandbox/native/guest_runtime.h
    ${CMAKE_SOURCE_DIR}/src/sandbox/native/native_module.h)

function(nexus_add_guest target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "MODULE;NAME;VARIANT;SYMBOL" "")
  if(NOT EXISTS "${arg_MODULE}")
    message(FATAL_ERROR "${arg_MODULE} is missing. Run ./dev setup (npm ci) first.")
  endif()
  set(ingredients "${NEXUS_WABT_VERSION} ${NEXUS_GUEST_CC_VERSION} ${arg_VARIANT} ${arg_SYMBOL}")
  string(APPEND ingredients " ${NEXUS_GUEST_FLAGS}")
  foreach(file IN LISTS NEXUS_GUEST_TOOLS arg_MODULE)
    file(SHA256 "${file}" hash)
    string(APPEND ingredients " ${hash}")
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${NEXUS_GUEST_TOOLS} ${arg_MODULE})
  string(SHA256 key "${ingredients}")
  string(SUBSTRING "${key}" 0 16 key)
  set(object "${NEXUS_GUEST_DIR}/${arg_NAME}_${arg_VARIANT}_${key}.o")
  # No DEPENDS: the key in the file's name says what it was made from.
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${NEXUS_GUEST_DIR}
    COMMAND ${CMAKE_COMMAND} -E env "NEXUS_GUEST_FLAGS=${NEXUS_GUEST_FLAGS}"
            ${CMAKE_SOURCE_DIR}/tools/guest/build.sh ${arg_MODULE} ${arg_NAME} ${arg_VARIANT}
            ${arg_SYMBOL} ${object} ${CMAKE_SOURCE_DIR}/src ${NEXUS_GUEST_CC}
    COMMENT "Compiling the guest ${arg_NAME} (${arg_VARIANT}); the engine takes about a minute, once"
    VERBATIM)
  add_library(${target} OBJECT IMPORTED GLOBAL)
  set_property(TARGET ${target} PROPERTY IMPORTED_OBJECTS ${object})
  add_custom_target(${target}_build DEPENDS ${object})
  add_dependencies(${target} ${target}_build)
endfunction()
