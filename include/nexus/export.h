// What the library exports when it is built as one.
#pragma once

#define NEXUS_API __attribute__((visibility("default")))
