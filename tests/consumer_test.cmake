# Installs this build into an empty folder and builds examples/embed against it there, once with
# find_package and once with pkg-config, as somebody else would.
#   cmake -DBUILD=… -DSOURCE=… -DWORK=… -DCXX=… -P consumer_test.cmake
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${status}:\n${out}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

function(expect_output text)
  string(FIND "${out}" "${text}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "expected '${text}' in:\n${out}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
set(prefix "${WORK}/prefix")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}")

# A copy: nothing of the repository is to be found by accident.
file(COPY "${SOURCE}/examples/embed" DESTINATION "${WORK}")
run(${CMAKE_COMMAND} -G Ninja -S "${WORK}/embed" -B "${WORK}/build" "-DCMAKE_PREFIX_PATH=${prefix}"
  "-DCMAKE_CXX_COMPILER=${CXX}" -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build "${WORK}/build")
run("${WORK}/build/embed")
expect_output("sum: 6")
expect_output("needs the capability state:read:secret")
run("${WORK}/build/extension")
expect_output("bolts: 12")

file(GLOB_RECURSE pc "${prefix}/*/nexus.pc")
get_filename_component(folder "${pc}" DIRECTORY)
set(ENV{PKG_CONFIG_PATH} "${folder}")
run(pkg-config --cflags --libs nexus)
string(STRIP "${out}" flags)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CXX} "${WORK}/embed/main.cc" -o "${WORK}/with_pkg_config" ${flags})
set(ENV{LD_LIBRARY_PATH} "${folder}/..")
run("${WORK}/with_pkg_config")
expect_output("sum: 6")

run("${prefix}/bin/nexus" --version)
expect_output("nexus 0.")
file(REMOVE_RECURSE "${WORK}")
