#include "http/sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

#include "base/text.h"

namespace baton::http {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr int kListenBacklog = 1024;
// A dead peer is noticed after 15 + 3 * 5 s without data, or 15 s with unanswered data.
constexpr int kKeepIdle_s = 15;
constexpr int kKeepInterval_s = 5;
constexpr int kKeepCount = 3;
constexpr unsigned kUserTimeout_ms = 15'000;

template <typename T>
bool set_option(int descriptor, int level, int name, T value) {
  return setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

bool unix_address(std::string_view path, SocketAddress& out) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  std::memcpy(&out.storage, &address, sizeof address);
  out.length = sizeof address;
  return true;
}

/// getaddrinfo; with AI_NUMERICHOST in `flags` it never leaves the process.
Resolved look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failure != 0) {
    return Error{"resolve " + printable(host) + ": " +
                 (failure == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(failure))};
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
  }
  freeaddrinfo(list);
  return addresses;
}

/// "" if the path is free for a new socket now, else why not.
std::string clear_stale_socket(const SocketAddress& address, const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return errno == ENOENT ? "" : std::strerror(errno);
  if (!S_ISSOCK(file.st_mode)) return "the file exists and is no socket; remove it";
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return std::strerror(errno);
  const bool served =
      connect(probe, reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0 ||
      errno != ECONNREFUSED;
  close(probe);
  if (served) return "another process serves this socket";
  return unlink(path.c_str()) == 0 ? "" : std::strerror(errno);
}

/// "127.0.0.1:80" or "[::1]:80" as host and port.
bool split_host_port(std::string_view text, std::string& host, std::uint16_t& port) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto number = parse_integer(text.substr(colon + 1), 0, 65535);
  std::string_view name = text.substr(0, colon);
  const bool bracketed = name.size() > 2 && name.front() == '[' && name.back() == ']';
  if (bracketed) name = name.substr(1, name.size() - 2);
  if (!number || bracketed != (name.find(':') != std::string_view::npos)) return false;
  host = name;
  port = static_cast<std::uint16_t>(*number);
  return true;
}

std::string bound_tcp_address(int descriptor, const std::string& configured) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return configured;
  }
  sockaddr_in v4{};  // the port is at the same place in sockaddr_in6
  std::memcpy(&v4, &storage, sizeof v4);
  return configured.substr(0, configured.rfind(':') + 1) + std::to_string(ntohs(v4.sin_port));
}

}  // namespace

Result<BoundSocket> bind_and_listen(const std::string& address) {
  BoundSocket bound;
  SocketAddress where;
  const auto fail = [&](const std::string& why) {
    if (bound.descriptor >= 0) close(bound.descriptor);
    return Error{"listen on " + printable(address) + ": " + why};
  };
  std::string host;
  std::uint16_t port = 0;
  if (address.starts_with(kUnixPrefix)) {
    bound.unix_path = address.substr(kUnixPrefix.size());
    if (!unix_address(bound.unix_path, where)) return fail("a socket's path has 1 to 107 bytes");
    if (std::string why = clear_stale_socket(where, bound.unix_path); !why.empty()) {
      return fail(why);
    }
  } else if (!split_host_port(address, host, port) || !literal_address(host, port, where)) {
    return fail("not an address; write 127.0.0.1:4040, [::1]:4040 or unix:/path");
  }
  bound.family = where.storage.ss_family;
  bound.descriptor = socket(bound.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bound.descriptor < 0) return fail(std::strerror(errno));
  if (bound.family != AF_UNIX) set_option(bound.descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bound.family == AF_INET6) set_option(bound.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  const auto* name = reinterpret_cast<const sockaddr*>(&where.storage);
  if (bind(bound.descriptor, name, where.length) != 0 ||
      // The containers that share the folder run as different users: the folder is the guard.
      (bound.family == AF_UNIX && chmod(bound.unix_path.c_str(), 0666) != 0) ||
      ::listen(bound.descriptor, kListenBacklog) != 0) {
    return fail(std::strerror(errno));
  }
  bound.address = bound.family == AF_UNIX ? address : bound_tcp_address(bound.descriptor, address);
  return bound;
}

bool literal_address(const std::string& host, std::uint16_t port, SocketAddress& out) {
  if (host.starts_with(kUnixPrefix)) {
    return unix_address(std::string_view(host).substr(kUnixPrefix.size()), out);
  }
  const Resolved found = look_up(host, port, AI_NUMERICHOST);
  if (!found.ok() || host.empty()) return false;
  out = found->front();
  return true;
}

void resolve(const std::string& host, std::uint16_t port, std::function<void(Resolved)> done) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([host, port, done] { done(look_up(host, port, 0)); }).detach();
  } catch (const std::system_error& error) {
    done(Error{"resolve " + printable(host) + ": no thread: " + error.what()});
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Result<int> open_client_socket(const SocketAddress& address) {
  const int family = address.storage.ss_family;
  const int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return Error{std::strerror(errno)};
  if (family != AF_UNIX) {
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdle_s);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kKeepInterval_s);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kKeepCount);
    set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeout_ms);
  }
  return descriptor;
}

}  // namespace baton::http
