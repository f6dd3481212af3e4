// The least that an HTTP server can do, to measure a real one against: on every request that has
// come whole it sends the same bytes. usage: responder PORT ANSWER_FILE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on(int port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    give_up("responder: listen");
  }
  return listener;
}

void serve(int listener, std::string_view answer) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int descriptor) {
    epoll_event event{EPOLLIN, {.fd = descriptor}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) give_up("responder: epoll_ctl");
  };
  watch(listener);
  std::array<epoll_event, 64> events;
  std::array<char, 4096> space;
  for (;;) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int descriptor = events[i].data.fd;
      if (descriptor == listener) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) continue;
        const int on = 1;
        ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(client);
        continue;
      }
      const ssize_t size = ::read(descriptor, space.data(), space.size());
      if (size <= 0) {
        ::close(descriptor);
      } else if (std::string_view(space.data(), static_cast<std::size_t>(size))
                     .ends_with("\r\n\r\n")) {
        if (::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) ::close(descriptor);
      }
    }
  }
}

}  // namespace

int main(int count, char** words) {
  const int port = count == 3 ? std::atoi(words[1]) : 0;
  if (port <= 0) {
    std::fprintf(stderr, "usage: responder PORT ANSWER_FILE\n");
    return 2;
  }
  std::ifstream file(words[2]);
  const std::string answer{std::istreambuf_iterator<char>(file), {}};
  if (answer.empty()) give_up(words[2]);
  serve(listen_on(port), answer);
}
