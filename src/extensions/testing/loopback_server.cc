#include "extensions/testing/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace nexus::extensions {

LoopbackServer::LoopbackServer(Script script)
    : script_(std::move(script)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, generic, length) != 0 || listen(listener_, 256) != 0 ||
      getsockname(listener_, generic, &length) != 0) {
    throw std::runtime_error("no server on loopback");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { run(); });
}

LoopbackServer::~LoopbackServer() {
  {
    const MutexLock lock(mutex_);
    isOver_ = true;
    for (const int socket : open_) shutdown(socket, SHUT_RDWR);
  }
  over_.notifyAll();
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
}

std::string LoopbackServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<std::string> LoopbackServer::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

size_t LoopbackServer::connections() const {
  const MutexLock lock(mutex_);
  return connections_;
}

bool LoopbackServer::isOver() const {
  const MutexLock lock(mutex_);
  return isOver_;
}

void LoopbackServer::run() {
  std::list<std::thread> threads;
  while (true) {
    const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) break;
    {
      const MutexLock lock(mutex_);
      ++connections_;
      open_.push_back(accepted);
      if (isOver_) shutdown(accepted, SHUT_RDWR);
    }
    threads.emplace_back([this, accepted] {
      Connection connection(*this, accepted);
      script_(connection);
      const MutexLock lock(mutex_);
      std::erase(open_, accepted);
      close(accepted);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::string LoopbackServer::Connection::read() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  constexpr std::string_view kLength = "Content-Length: ";
  size_t whole = std::string::npos;
  while (ahead_.size() < whole) {
    char bytes[65536];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) return {};
    ahead_.append(bytes, static_cast<size_t>(count));
    const size_t end = ahead_.find(kEnd);
    if (end == std::string::npos) continue;
    const size_t length = ahead_.substr(0, end).find(kLength);
    whole = end + kEnd.size() +
            (length == std::string::npos ? 0 : std::stoul(ahead_.substr(length + kLength.size())));
  }
  std::string request = ahead_.substr(0, whole);
  ahead_.erase(0, whole);
  const MutexLock lock(server_.mutex_);
  server_.requests_.push_back(request);
  return request;
}

bool LoopbackServer::Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return !server_.isOver();
}

void LoopbackServer::Connection::idle() {
  char bytes[4096];
  while (recv(socket_, bytes, sizeof bytes, 0) > 0) {
  }
}

void LoopbackServer::Connection::flood(std::string_view bytes) {
  while (write(bytes)) {
  }
}

void LoopbackServer::Connection::drip(std::string_view bytes) {
  constexpr std::chrono::milliseconds kBetween{2};
  for (size_t at = 0; write(bytes.substr(at, 1)); at = (at + 1) % bytes.size()) {
    const MutexLock lock(server_.mutex_);
    server_.over_.waitUntil(server_.mutex_, std::chrono::steady_clock::now() + kBetween);
  }
}

void LoopbackServer::Connection::reset() {
  const linger atOnce = {.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &atOnce, sizeof atOnce);
}

}  // namespace nexus::extensions
