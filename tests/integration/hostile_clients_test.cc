// Clients of the local listeners that are broken or hostile: answered 4xx or closed, never a crash,
// and no renewal is late because of them: the leader's belief never lapses.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "support/candidates.h"

namespace baton::test {
namespace {

class Socket {
 public:
  explicit Socket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int connected =
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    EXPECT_EQ(connected, 0) << errno;
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  /// The peer may close in the middle; that is an answer too.
  void send(const std::string& bytes) const {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t taken = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (taken <= 0) {
        return;
      }
      sent += static_cast<std::size_t>(taken);
    }
  }

  /// Everything until the peer closes.
  std::string read_all() const {
    return read_until([](const std::string&) { return false; });
  }
  /// The head of an answer, and what comes with it.
  std::string read_head() const {
    return read_until(
        [](const std::string& text) { return text.find("\r\n\r\n") != std::string::npos; });
  }

 private:
  std::string read_until(const std::function<bool(const std::string&)>& is_enough) const {
    std::string text;
    char buffer[4096];
    pollfd waiting{fd_, POLLIN, 0};
    while (!is_enough(text) && ::poll(&waiting, 1, 60'000) == 1) {
      const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
      if (size <= 0) {
        return text;
      }
      text.append(buffer, static_cast<std::size_t>(size));
    }
    if (is_enough(text)) return text;
    ADD_FAILURE() << "neither answered nor closed: " << text;
    return text;
  }

  int fd_;
};

constexpr const char* kEvents = "GET /leader/events HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks for so many event streams; those that are held go to `streams`. How many were refused.
int open_streams(std::uint16_t port, int count, std::vector<Socket>& streams) {
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    Socket socket(port);
    socket.send(kEvents);
    const std::string answer = socket.read_head();
    if (answer.starts_with("HTTP/1.1 200 ")) {
      streams.push_back(std::move(socket));
    } else {
      ++refused;
      EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 503 ")) << answer;
      EXPECT_TRUE(answer.empty() || answer.find("Retry-After: 1\r\n") != std::string::npos);
    }
  }
  return refused;
}

/// A program that runs baton with these limits of its shell's.
std::string limited(const std::string& limits) {
  const std::string path = testing::TempDir() + "baton-limited-" + std::to_string(::getpid());
  std::ofstream(path) << "#!/bin/sh\n" << limits << "\nexec " << baton_program() << " \"$@\"\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

class HostileClients : public testing::Test {
 protected:
  explicit HostileClients(const std::function<void(BatonOptions&)>& change = nullptr)
      : candidates_(1, change) {}

  void SetUp() override {
    ASSERT_EQ(candidates_.wait_for_leader(), 0);
    extended_ = baton_.log_lines("extended").size();
  }

  // The election goes on as if nothing were: it renews, it was never lost, it answers.
  void expect_unharmed() {
    EXPECT_TRUE(wait_until([&] { return baton_.log_lines("extended").size() >= extended_ + 3; }));
    EXPECT_TRUE(baton_.process().running()) << baton_.log();
    EXPECT_EQ(LocalClient(baton_.local_port()).request("GET", "/leader").status, 200);
    EXPECT_EQ(LocalClient(baton_.probe_port()).request("GET", "/livez").status, 200);
    EXPECT_EQ(candidates_.judge(), 1U) << "a belief lapsed";
    EXPECT_TRUE(baton_.log_lines("lost").empty());
  }

  Candidates candidates_;
  Baton& baton_ = candidates_.at(0);
  std::size_t extended_ = 0;
};

TEST_F(HostileClients, MalformedRequestsAre4xxOrClosed) {
  const std::string host = "Host: localhost\r\n";
  const std::string get = "GET /leader HTTP/1.1\r\n" + host;
  const std::string post = "POST /resign HTTP/1.1\r\nBaton-Control: 1\r\n" + host;
  const std::vector<std::string> requests = {
      "\r\n\r\n\r\nnonsense\r\n\r\n",
      std::string("\x16\x03\x01\x02\x00", 5) + std::string(300, '\x01') + "\r\n\r\n",
      get + "X: " + std::string(std::size_t{1} << 20, 'a') + "\r\n\r\n",
      "GET /" + std::string(std::size_t{1} << 20, 'a') + " HTTP/1.1\r\n" + host + "\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
      post + "Content-Length: -5\r\n\r\n",
      post + "Content-Length: 99999999\r\n\r\n",
      post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET /leader HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      get + "Origin: http://evil.example\r\nConnection: close\r\n\r\n",
      "POST /resign HTTP/1.1\r\n" + host + "Connection: close\r\nContent-Length: 0\r\n\r\n",
      "GET /leader?wait=-1 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
      "GET /leader?minRemaining=1y HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
      "GET /leader?unknown=1 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
      "GET /leader?wait=%ff%fe HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
      "GET /\xff\xfe HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
      "DELETE /leader HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
      "GET /nothing HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
  };
  for (const std::string& request : requests) {
    const Socket socket(baton_.local_port());
    socket.send(request);
    const std::string answer = socket.read_all();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4"))
        << request.substr(0, 200) << "\n"
        << answer;
  }
  expect_unharmed();
}

TEST_F(HostileClients, PipelinedRequestsAreAnsweredInOrder) {
  const Socket socket(baton_.local_port());
  std::string many;
  for (int i = 0; i < 200; ++i) {
    many += "GET /leader HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  socket.send(many + "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string answers = socket.read_all();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 200", at)) != std::string::npos; ++at) {
    ++count;
  }
  EXPECT_EQ(count, 200U);
  EXPECT_GT(answers.find("HTTP/1.1 404"), answers.rfind("HTTP/1.1 200"));
  expect_unharmed();
}

TEST_F(HostileClients, SlowHeadersAreCutOff) {
  std::vector<Socket> sockets;
  for (int i = 0; i < 100; ++i) {
    sockets.emplace_back(baton_.local_port());
    sockets.back().send("GET /leader HTTP/1.1\r\nHost: local");
  }
  for (const Socket& socket : sockets) {
    const std::string answer = socket.read_all();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4")) << answer;
  }
  expect_unharmed();
}

TEST_F(HostileClients, ThosePastThePlacesAreRefusedAndAllElseIsAnswered) {
  constexpr int kPlaces = 1024;
  constexpr int kMore = 20;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 10'000);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<Socket> streams;
  EXPECT_EQ(open_streams(baton_.local_port(), kPlaces + kMore, streams), kMore);
  expect_unharmed();
}

class HostileClientsOfLowSoftLimit : public HostileClients {
 protected:
  HostileClientsOfLowSoftLimit()
      : HostileClients([](BatonOptions& options) { options.program = limited("ulimit -Sn 100"); }) {
  }
};

TEST_F(HostileClientsOfLowSoftLimit, TheHardOneIsWhatCounts) {
  std::vector<Socket> streams;
  EXPECT_EQ(open_streams(baton_.local_port(), 200, streams), 0);
  EXPECT_TRUE(baton_.log_lines("fewer clients").empty());
  expect_unharmed();
}

class HostileClientsOfFewFiles : public HostileClients {
 protected:
  HostileClientsOfFewFiles()
      : HostileClients([](BatonOptions& options) { options.program = limited("ulimit -n 300"); }) {}
};

TEST_F(HostileClientsOfFewFiles, ClientsShareWhatTheElectionLeaves) {
  const auto lines = baton_.log_lines("fewer clients");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["reason"],
            "the limit of open files (RLIMIT_NOFILE) is 300, less than 2368: a local address takes "
            "209 connections and not 2048, of which 104 may wait; raise the limit");
  std::vector<Socket> streams;
  EXPECT_EQ(open_streams(baton_.local_port(), 250, streams), 250 - 104);
  std::vector<Socket> idle;
  for (int i = 0; i < 400; ++i) {
    idle.emplace_back(i % 2 == 0 ? baton_.local_port() : baton_.probe_port());
  }
  expect_unharmed();
}

TEST_F(HostileClients, TenThousandIdleConnectionsStarveNobody) {
  constexpr rlim_t kWanted = 10'000;
  constexpr rlim_t kOthers = 500;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min(limit.rlim_max, kWanted + kOthers);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t count = std::min(kWanted, limit.rlim_cur - kOthers);
  if (count < kWanted) {
    std::printf("%lu connections instead of %lu: the limit on open files is %lu\n", count, kWanted,
                limit.rlim_max);
  }
  std::vector<Socket> sockets;
  for (rlim_t i = 0; i < count; ++i) {
    sockets.emplace_back(i % 2 == 0 ? baton_.local_port() : baton_.probe_port());
  }
  expect_unharmed();
}

}  // namespace
}  // namespace baton::test
