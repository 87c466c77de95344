// A thread that none of the process's signals is delivered to: they are the embedder's.
#pragma once

#include <functional>
#include <thread>

namespace nexus::sandbox {

std::thread startQuietThread(std::function<void()> run);

}  // namespace nexus::sandbox
