// Addresses and sockets below HTTP: plain system calls, every descriptor close-on-exec and
// non-blocking.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace baton::http {

struct BoundSocket {
  int descriptor = -1;
  int family = AF_UNSPEC;
  std::string address;    // with the real port
  std::string unix_path;  // "" unless a Unix socket
};

/// Binds and listens on "127.0.0.1:4040", "[::1]:4040" (IPv6 alone) or "unix:/path"; a socket file
/// that nobody serves is replaced.
Result<BoundSocket> bind_and_listen(const std::string& address);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// "unix:/path", an IPv4 or IPv6 address. False: a name, to be resolved.
bool literal_address(const std::string& host, std::uint16_t port, SocketAddress& out);

using Resolved = Result<std::vector<SocketAddress>>;
/// Resolves a name on a thread of its own, which outlives the caller if the resolver hangs; `done`
/// is called there and must own what it touches.
void resolve(const std::string& host, std::uint16_t port, std::function<void(Resolved)> done);

/// A socket for a client's connection to `address`: no Nagle, keepalive, and unanswered bytes fail
/// it (TCP_USER_TIMEOUT).
Result<int> open_client_socket(const SocketAddress& address);

}  // namespace baton::http
