// Asks a listener on 127.0.0.1 over many connections from one thread, and prints one JSON object.
//   load_generator answers PORT CONNECTIONS LIMIT   GET /leader over kept connections
//   load_generator connects PORT CONNECTIONS LIMIT  the same, each over a new connection
//   load_generator streams PORT CONNECTIONS         GET /leader/events, until standard input ends
// LIMIT is a time ("10s") or a number of answers. Latency is from the first byte that is sent, or
// from the call of connect(), to the last byte of the answer. "open" is printed on a line of its
// own once all streams have had their first event. Of streams is printed when each was told that
// its candidate leads or leads no more, in nanoseconds of CLOCK_BOOTTIME.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "load_generator: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Latencies in buckets of 1/64 of their size.
class Histogram {
 public:
  void add(std::int64_t ns) {
    ++counts_[index(static_cast<std::uint64_t>(ns))];
    ++total_;
    most_ns_ = std::max(most_ns_, ns);
    least_ns_ = std::min(least_ns_, ns);
  }
  /// In microseconds, by nearest rank.
  double at(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return static_cast<double>(value(i)) / 1e3;
    }
    return static_cast<double>(most_ns_) / 1e3;
  }
  void print() const {
    std::printf("\"latency_us\": {\"min\": %.1f, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}",
                total_ == 0 ? 0 : static_cast<double>(least_ns_) / 1e3, at(0.5), at(0.99),
                static_cast<double>(most_ns_) / 1e3);
  }
  std::uint64_t total() const { return total_; }

 private:
  static std::size_t index(std::uint64_t ns) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - 7);
    return static_cast<std::size_t>(shift) * 64 + (ns >> shift);
  }
  static std::uint64_t value(std::size_t index) {
    const std::size_t shift = index < 128 ? 0 : index / 64 - 1;
    return (index - shift * 64) << shift;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(64 * 60);
  std::uint64_t total_ = 0;
  std::int64_t most_ns_ = 0, least_ns_ = INT64_MAX;
};

struct Client {
  int socket = -1;
  std::int64_t begun_ns = 0;
  bool is_connecting = false;
  std::string in;
  bool is_leader = false;   // of a stream: by its last event
  std::size_t changes = 0;  // how often that changed
};

class Load {
 public:
  Load(int port, const char* path)
      : port_(port),
        request_(std::string("GET ") + path +
                 " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n\r\n") {
    if (epoll_ < 0) give_up("epoll_create1");
  }

 protected:
  void watch(int descriptor, std::uint32_t events, std::uint64_t which, int operation) const {
    epoll_event event{events, {.u64 = which}};
    if (::epoll_ctl(epoll_, operation, descriptor, &event) != 0) give_up("epoll_ctl");
  }

  void connect(std::size_t which) {
    Client& client = clients_[which];
    client.begun_ns = now_ns();
    client.in.clear();
    client.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client.socket < 0) give_up("socket");
    const int on = 1;
    ::setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A reset instead of a time of waiting: the ports of a hundred thousand connections would run
    // out.
    const linger reset{1, 0};
    ::setsockopt(client.socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int result =
        ::connect(client.socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (result != 0 && errno != EINPROGRESS) give_up("connect");
    client.is_connecting = true;
    watch(client.socket, EPOLLOUT, which, EPOLL_CTL_ADD);
  }

  /// Sends a request that fits a socket's buffer by far. False: the peer has closed.
  bool send(const Client& client) const {
    return ::send(client.socket, request_.data(), request_.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(request_.size());
  }

  bool finish_connect(std::size_t which) {
    Client& client = clients_[which];
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(client.socket, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    if (error != 0) give_up("connect");
    client.is_connecting = false;
    watch(client.socket, EPOLLIN, which, EPOLL_CTL_MOD);
    return send(client);
  }

  /// Takes what has come; false at the end of the connection.
  static bool receive(Client& client) {
    std::array<char, 16384> space;
    const ssize_t size = ::recv(client.socket, space.data(), space.size(), 0);
    if (size < 0 && errno == EAGAIN) return true;
    if (size <= 0) return false;
    client.in.append(space.data(), static_cast<std::size_t>(size));
    return true;
  }

  const int port_;
  const std::string request_;
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Client> clients_;
};

class Answers : Load {
 public:
  Answers(int port, bool is_kept) : Load(port, "/leader"), is_kept_(is_kept) {}

  int run(int connections, const std::string& limit) {
    const bool is_timed = limit.back() == 's';
    const long most = std::atol(limit.c_str());
    clients_.resize(static_cast<std::size_t>(connections));
    const std::int64_t begin = now_ns();
    const std::int64_t end = is_timed ? begin + most * 1'000'000'000 : INT64_MAX;
    for (std::size_t i = 0; i < clients_.size(); ++i) connect(i);
    std::int64_t now = begin;
    std::array<epoll_event, 64> events;
    while (now < end && (is_timed || std::cmp_less(latencies_.total(), most))) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
      for (int i = 0; i < ready; ++i) step(static_cast<std::size_t>(events[i].data.u64));
      now = now_ns();
    }
    const double seconds = static_cast<double>(now - begin) / 1e9;
    std::printf("{\"answers\": %lu, \"seconds\": %.3f, \"per_s\": %.1f, \"not_200\": %lu, ",
                latencies_.total(), seconds, static_cast<double>(latencies_.total()) / seconds,
                not_200_);
    latencies_.print();
    std::printf("}\n");
    return 0;
  }

 private:
  void step(std::size_t which) {
    Client& client = clients_[which];
    const bool is_open = client.is_connecting ? finish_connect(which) : receive(client);
    if (!is_open) give_up("a connection ended before its answer");
    const std::size_t head = client.in.find("\r\n\r\n");
    if (head == std::string::npos) return;
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const std::size_t length = client.in.find(kLength);
    if (length > head) give_up("an answer without Content-Length");
    const long body = std::atol(client.in.c_str() + length + kLength.size());
    if (client.in.size() < head + 4 + static_cast<std::size_t>(body)) return;
    const std::int64_t now = now_ns();
    latencies_.add(now - client.begun_ns);
    if (!client.in.starts_with("HTTP/1.1 200 ")) ++not_200_;
    client.in.clear();
    if (!is_kept_) {
      ::close(client.socket);
      return connect(which);
    }
    client.begun_ns = now;
    if (!send(client)) give_up("send");
  }

  const bool is_kept_;
  Histogram latencies_;
  std::uint64_t not_200_ = 0;
};

class Streams : Load {
 public:
  explicit Streams(int port) : Load(port, "/leader/events") {}

  int run(int connections) {
    clients_.resize(static_cast<std::size_t>(connections));
    for (std::size_t i = 0; i < clients_.size(); ++i) connect(i);
    watch(STDIN_FILENO, EPOLLIN, kInput, EPOLL_CTL_ADD);
    std::array<epoll_event, 256> events;
    bool is_asked = false;
    while (!is_asked || !are_all_told()) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < ready; ++i) {
        if (events[i].data.u64 == kInput) {
          is_asked = true;
          watch(STDIN_FILENO, 0, kInput, EPOLL_CTL_DEL);
        } else {
          step(static_cast<std::size_t>(events[i].data.u64));
        }
      }
    }
    return print();
  }

 private:
  static constexpr std::uint64_t kInput = UINT64_MAX;

  struct Change {
    bool is_leader;
    std::vector<std::int64_t> times_ns;
  };

  void step(std::size_t which) {
    Client& client = clients_[which];
    const bool is_open = client.is_connecting ? finish_connect(which) : receive(client);
    const std::int64_t now = now_ns();
    if (is_open && !client.in.starts_with("HTTP/1.1 5")) {
      take_events(client, now);
    } else {
      ::close(client.socket);
      ++(client.begun_ns != 0 ? refused_ : lost_);
    }
    if (!said_open_ && opened_ + refused_ >= clients_.size()) {
      said_open_ = true;
      std::printf("open\n");
      std::fflush(stdout);
    }
  }

  /// Each of those that are still open has had every change that one of them has had.
  bool are_all_told() const {
    return std::ranges::all_of(changes_, [this](const Change& change) {
      return change.times_ns.size() + lost_ >= opened_;
    });
  }

  /// "id: REVISION\ndata: DOCUMENT\n\n"
  void take_events(Client& client, std::int64_t now) {
    for (;;) {
      const std::size_t data = client.in.find("\ndata: ");
      const std::size_t end = client.in.find("\n\n", data);
      if (end == std::string::npos) return;
      const bool leads = client.in.find("\"isLeader\":true", data) < end;
      client.in.erase(0, end + 2);
      if (client.begun_ns != 0) {  // its first
        client.begun_ns = 0;
        ++opened_;
      } else if (leads != client.is_leader) {
        if (client.changes == changes_.size()) changes_.push_back({leads, {}});
        changes_[client.changes++].times_ns.push_back(now);
      }
      client.is_leader = leads;
    }
  }

  int print() const {
    std::printf("{\"opened\": %zu, \"refused\": %zu, \"lost\": %zu, \"changes\": [", opened_,
                refused_, lost_);
    const char* comma = "";
    for (const auto& [is_leader, times_ns] : changes_) {
      std::printf("%s{\"is_leader\": %s, \"times_ns\": [", comma, is_leader ? "true" : "false");
      comma = "";
      for (const std::int64_t time : times_ns) {
        std::printf("%s%ld", comma, time);
        comma = ", ";
      }
      std::printf("]}");
      comma = ", ";
    }
    std::printf("]}\n");
    return 0;
  }

  std::vector<Change> changes_;
  std::size_t opened_ = 0, refused_ = 0, lost_ = 0;
  bool said_open_ = false;
};

}  // namespace

int main(int count, char** words) {
  const std::string_view mode = count > 3 ? words[1] : "";
  const int port = count > 3 ? std::atoi(words[2]) : 0;
  const int connections = count > 3 ? std::atoi(words[3]) : 0;
  if (port > 0 && connections > 0) {
    if (mode == "streams" && count == 4) return Streams(port).run(connections);
    const bool is_kept = mode == "answers";
    if ((is_kept || mode == "connects") && count == 5 && std::atol(words[4]) > 0) {
      return Answers(port, is_kept).run(connections, words[4]);
    }
  }
  std::fprintf(stderr,
               "usage: load_generator answers|connects PORT CONNECTIONS LIMIT\n"
               "       load_generator streams PORT CONNECTIONS\n");
  return 2;
}
