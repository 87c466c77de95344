#include "app/command_line.h"

int main(int argc, char** argv) { return nexus::app::runCommandLine(argc, argv); }
