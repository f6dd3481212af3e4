// What the http tests share: a running server, clients of it and a raw socket for hostile input.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "http/client.h"
#include "http/server.h"
#include "http/sockets.h"

namespace baton::http {

using namespace std::chrono_literals;

// Bounds for things that must happen; a machine has to be stuck to reach them.
inline constexpr auto kPatience = 30s;

/// Set once by one thread, awaited by another.
class Signal {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  bool wait(std::chrono::milliseconds limit = kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

inline std::unique_ptr<Server> started(ServerOptions options, Handler handler) {
  auto server = Server::listen(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << (server.ok() ? "" : server.error());
  if (!server.ok()) return nullptr;
  (*server)->start();
  return std::move(server).value();
}

/// The endpoint of what address() returned.
inline Endpoint endpoint_of(const std::string& address) {
  if (address.starts_with("unix:")) return {.host = address, .port = 0, .authority = ""};
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  const auto port = parse_integer(address.substr(colon + 1), 0, 65535);
  return {.host = host, .port = static_cast<std::uint16_t>(port.value_or(0)), .authority = ""};
}

inline std::unique_ptr<Connection> client_of(const Server& server,
                                             std::shared_ptr<TlsContext> tls = nullptr,
                                             ClientLimits limits = {}) {
  return Connection::make(endpoint_of(server.address()), std::move(tls), limits);
}

inline Instant soon(Duration delay = kPatience) { return boot_now() + delay; }

inline Request get(std::string target) {
  return {.method = "GET", .target = std::move(target), .headers = {}, .body = ""};
}

/// Listens on 127.0.0.1 and runs `script` with the first connection, which is then closed.
class RawServer {
 public:
  explicit RawServer(std::function<void(int descriptor)> script) {
    const auto bound = bind_and_listen("127.0.0.1:0");
    EXPECT_TRUE(bound.ok());
    listener_ = bound->descriptor;
    address_ = bound->address;
    thread_ = std::thread([this, script = std::move(script)] {
      pollfd waiting{listener_, POLLIN, 0};
      poll(&waiting, 1, -1);
      const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      script(descriptor);
      ::close(descriptor);
    });
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  ~RawServer() {
    shutdown(listener_, SHUT_RDWR);  // a client that never came must not be waited for
    thread_.join();
    ::close(listener_);
  }
  Endpoint endpoint() const { return endpoint_of(address_); }

 private:
  int listener_ = -1;
  std::string address_;
  std::thread thread_;
};

/// Reads up to the blank line that ends a request without a body.
inline void read_request(int descriptor) {
  std::string text;
  char byte = 0;
  while (!text.ends_with("\r\n\r\n") && recv(descriptor, &byte, 1, 0) == 1) text += byte;
}

/// False once the client has closed.
inline bool say(int descriptor, std::string_view text) {
  return ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

/// A plain socket that says whatever a test likes.
class RawPeer {
 public:
  explicit RawPeer(const Server& server) : RawPeer(endpoint_of(server.address())) {}
  explicit RawPeer(
      const Endpoint& endpoint, const std::function<void()>& before_connect = [] {}) {
    SocketAddress address;
    EXPECT_TRUE(literal_address(endpoint.host, endpoint.port, address));
    descriptor_ = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    before_connect();
    EXPECT_EQ(0,
              connect(descriptor_, reinterpret_cast<sockaddr*>(&address.storage), address.length));
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  ~RawPeer() { close(); }

  /// False once the server has closed.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const auto sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Reads until `end` has come, the server closes, or patience ends.
  std::string read_until(std::string_view end) {
    while (end.empty() || received_.find(end) == std::string::npos) {
      if (!read_more()) break;
    }
    return received_;
  }
  std::string read_to_end() { return read_until(""); }
  bool is_closed() const { return is_closed_; }
  void finish_sending() const { shutdown(descriptor_, SHUT_WR); }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

 private:
  bool read_more() {
    pollfd waiting{descriptor_, POLLIN, 0};
    if (poll(&waiting, 1, std::chrono::milliseconds(kPatience).count()) <= 0) {
      ADD_FAILURE() << "nothing more came after: " << received_.substr(0, 300);
      return false;
    }
    char space[4096];
    const auto size = recv(descriptor_, space, sizeof space, 0);
    is_closed_ = size <= 0;
    if (size > 0) received_.append(space, static_cast<std::size_t>(size));
    return size > 0;
  }

  int descriptor_ = -1;
  std::string received_;
  bool is_closed_ = false;
};

}  // namespace baton::http
