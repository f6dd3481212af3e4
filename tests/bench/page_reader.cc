// What one question costs whoever asks, in nanoseconds, one line of JSON per round: a read of the
// status page with its deadline check, a poll of GET /leader over a kept connection, and the clock
// alone, as libc gives it and by its system call.
// usage: page_reader PAGE PORT ROUNDS
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../../clients/c/baton_page.h"

namespace {

constexpr int kReads = 10'000, kPolls = 10, kCalls = 1'000;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

template <typename Ask>
double mean_ns(int count, Ask ask) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) ask();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
             .count() /
         count;
}

int connect_to(int port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    give_up("page_reader: connect");
  }
  return connection;
}

/// The document ends with a line feed, and nothing else in the answer does but behind CR.
bool poll_leader(int connection, std::string_view request) {
  if (::send(connection, request.data(), request.size(), 0) < 0) give_up("page_reader: send");
  char answer[8192];
  std::size_t size = 0;
  while (size < 2 || answer[size - 1] != '\n' || answer[size - 2] == '\r') {
    const ssize_t got = ::recv(connection, answer + size, sizeof answer - size, 0);
    if (got <= 0) give_up("page_reader: the sidecar closed the connection");
    size += static_cast<std::size_t>(got);
  }
  return std::string_view(answer, size).starts_with("HTTP/1.1 200");
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  baton::StatusPage page(words[1]);
  const int connection = connect_to(std::atoi(words[2]));
  const std::string request =
      "GET /leader HTTP/1.1\r\nHost: 127.0.0.1:" + std::string(words[2]) + "\r\n\r\n";
  timespec now{};
  for (int round = std::atoi(words[3]); round > 0; --round) {
    int no = 0;
    const double page_ns = mean_ns(kReads, [&] { no += !page.leadership(); });
    const double poll_ns = mean_ns(kPolls, [&] { no += !poll_leader(connection, request); });
    const double clock_ns = mean_ns(kCalls, [&] { ::clock_gettime(CLOCK_BOOTTIME, &now); });
    const double call_ns =
        mean_ns(kCalls, [&] { ::syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now); });
    std::printf(
        "{\"no\":%d,\"page_ns\":%.2f,\"poll_ns\":%.1f,\"clock_ns\":%.2f,\"call_ns\":%.2f}\n", no,
        page_ns, poll_ns, clock_ns, call_ns);
    std::fflush(stdout);
  }
}
