// A server on 127.0.0.1 that does what a test tells it to, however wrong that is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace nexus::extensions {

class LoopbackServer {
 public:
  class Connection;
  // What happens on each connection, on a thread of its own; it is closed afterwards.
  using Script = std::function<void(Connection&)>;

  explicit LoopbackServer(Script script);
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  // Ends all connections.
  ~LoopbackServer();

  uint16_t port() const { return port_; }
  std::string url(const std::string& path) const;
  // Heads and bodies of the requests that scripts have read.
  std::vector<std::string> requests() const;
  size_t connections() const;

 private:
  friend class Connection;

  void run();
  bool isOver() const;

  const Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  mutable Mutex mutex_;
  mutable Condition over_;
  bool isOver_ NEXUS_GUARDED_BY(mutex_) = false;
  std::vector<std::string> requests_ NEXUS_GUARDED_BY(mutex_);
  std::vector<int> open_ NEXUS_GUARDED_BY(mutex_);
  size_t connections_ NEXUS_GUARDED_BY(mutex_) = 0;
  std::thread acceptor_;  // it owns the others
};

// For its own thread.
class LoopbackServer::Connection {
 public:
  Connection(LoopbackServer& server, int socket) : server_(server), socket_(socket) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One request, with its body; empty when the other side is gone.
  std::string read();
  // False when the other side is gone, or the server at its end.
  bool write(std::string_view bytes);
  // Until the other side is gone, or the server at its end; nothing is answered.
  void idle();
  // Writes it again and again.
  void flood(std::string_view bytes);
  // Like flood, a few bytes at a time.
  void drip(std::string_view bytes);
  // The other side is told that the connection is broken.
  void reset();

 private:
  LoopbackServer& server_;
  const int socket_;
  std::string ahead_;  // read, but of the next request
};

}  // namespace nexus::extensions
