# nexus_embed(<header> <namespace> <constant> <file> [<constant> <file>]...)
#
# Writes a header with the files' texts as string constants, so that nothing is read at run time.
function(nexus_embed header namespace)
  set(content "#pragma once\n#include <string_view>\nnamespace ${namespace} {\n")
  while(ARGN)
    list(POP_FRONT ARGN constant file)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(READ "${file}" text)
    string(APPEND content
      "inline constexpr std::string_view ${constant} = R\"__nexus__(${text})__nexus__\";\n")
  endwhile()
  string(APPEND content "}  // namespace ${namespace}\n")
  file(CONFIGURE OUTPUT "${header}" CONTENT "${content}" @ONLY)
endfunction()
