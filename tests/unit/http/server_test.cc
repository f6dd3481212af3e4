// The server against hostile and unusual peers, through raw sockets.
#include "http/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "unit/http/pair.h"

namespace baton::http {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

long count(const std::string& text, std::string_view part) {
  long found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

class HttpServer : public testing::Test {
 protected:
  void serve(ServerLimits limits = {}) {
    server_ = started({.address = "127.0.0.1:0", .limits = limits, .tls = nullptr},
                      [this](const std::shared_ptr<Exchange>& exchange) { handle(exchange); });
  }
  void handle(const std::shared_ptr<Exchange>& exchange) {
    ++handled_;
    const std::string& path = exchange->target().path;
    if (path == "/throw") throw std::runtime_error("not for the peer's eyes");
    if (path == "/drop") return;
    if (path == "/large") return exchange->reply({200, {}, std::string(std::size_t{1} << 20, 'x')});
    if (path != "/hold" && path != "/stream") {
      return exchange->reply({200, {}, exchange->request().method + " " + path});
    }
    if (!server_->try_hold(*exchange)) return exchange->reply({503, {}, ""});
    if (path == "/stream") exchange->start_stream({200, {}, ""});
    held_ = exchange;
    exchange->on_closed([this] {
      closed_by_peer_ = held_->closed_by_peer();
      held_.reset();
      is_closed_.set();
    });
    is_held_.set();
  }
  /// Runs on the server's thread and waits for it.
  void on_server(const std::function<void()>& work) {
    Signal is_done;
    server_->post([&] {
      work();
      is_done.set();
    });
    ASSERT_TRUE(is_done.wait());
  }
  void TearDown() override {
    if (server_) server_->stop();
  }

  std::unique_ptr<Server> server_;
  std::atomic<int> handled_ = 0;
  std::shared_ptr<Exchange> held_;  // the server's thread
  bool closed_by_peer_ = false;
  Signal is_held_;
  Signal is_closed_;
};

TEST_F(HttpServer, AnswersPipelinedRequestsInOrder) {
  serve();
  RawPeer peer(*server_);
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  peer.send(requests + "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answers = peer.read_to_end();
  EXPECT_TRUE(answers.ends_with("GET /last"));
  EXPECT_EQ(501, count(answers, "HTTP/1.1 200 OK"));
  std::size_t at = 0;
  for (int i = 0; i < 500; ++i) {
    at = answers.find("GET /" + std::to_string(i) + "HTTP", at);
    ASSERT_NE(std::string::npos, at) << i;
  }
}

TEST_F(HttpServer, AnswersWhatWasPipelinedBehindAHeldRequest) {
  serve();
  RawPeer peer(*server_);
  peer.send("GET /hold HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  on_server([this] {
    held_->reply({200, {}, "held"});
    EXPECT_EQ(1, handled_) << "the next handler must not run inside reply()";
    held_.reset();
  });
  const std::string answers = peer.read_to_end();
  EXPECT_LT(answers.find("held"), answers.find("GET /after")) << answers;
}

TEST_F(HttpServer, AnswersWhatCameWholeBeforeTheEnd) {
  serve();
  RawPeer peer(*server_);
  peer.send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c");
  peer.finish_sending();
  const std::string answers = peer.read_to_end();
  EXPECT_EQ(2, count(answers, "200 OK")) << answers;
}

TEST_F(HttpServer, HeadGetsTheHeadOfGet) {
  serve();
  RawPeer peer(*server_);
  peer.send("HEAD /abc HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(contains(answer, "Content-Length: 9\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServer, HonoursHttp10AndConnection) {
  serve();
  RawPeer old(*server_);
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(contains(old.read_to_end(), "Connection: close"));
  RawPeer kept(*server_);
  kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(contains(kept.read_until("GET /"), "Connection: keep-alive"));
  RawPeer stream(*server_);
  stream.send("GET /stream HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  on_server([this] {
    held_->write("plain");
    held_->close();
    held_.reset();
  });
  EXPECT_TRUE(stream.read_to_end().ends_with("\r\n\r\nplain"));
}

TEST_F(HttpServer, TellsAWaitingPeerToContinue) {
  serve();
  RawPeer peer(*server_);
  peer.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  peer.read_until("100 Continue\r\n\r\n");
  peer.send("ab");
  EXPECT_TRUE(contains(peer.read_until("POST /"), "200 OK"));
  RawPeer large(*server_);
  large.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n");
  const std::string answer = large.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
}

TEST_F(HttpServer, RefusesWhatIsNotWellFormedWithoutTheHandler) {
  serve();
  const std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, int> cases[] = {
      {chunked + "-2\r\nab\r\n", 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET /%ff HTTP/1.1\r\n\r\n", 400},
      {"GET /\xff HTTP/1.1\r\n\r\n", 400},
      {"GET http://a/ HTTP/1.1\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA: " + std::string(std::size_t{1} << 20, 'a') + "\r\n\r\n", 431},
      {"POST / HTTP/1.1\r\nContent-Length: 4097\r\n\r\n" + std::string(4097, 'a'), 413},
      {chunked + "1001\r\n" + std::string(4097, 'a') + "\r\n0\r\n\r\n", 413},
  };
  for (const auto& [text, status] : cases) {
    RawPeer peer(*server_);
    peer.send(text);
    const std::string answer = peer.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(status) + " "))
        << text.substr(0, 80) << " got " << answer;
    EXPECT_TRUE(peer.is_closed());
  }
  EXPECT_EQ(0, handled_);
}

TEST_F(HttpServer, SlowRequestsAndIdleConnectionsEnd) {
  serve({.request_timeout = 100ms, .idle_timeout = 200ms});
  RawPeer slow(*server_);
  slow.send("GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(contains(slow.read_to_end(), "HTTP/1.1 408 "));
  RawPeer slow_body(*server_);
  slow_body.send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_TRUE(contains(slow_body.read_to_end(), "HTTP/1.1 408 "));
  RawPeer idle(*server_);
  EXPECT_EQ("", idle.read_to_end());
  EXPECT_EQ(0, handled_);
}

TEST_F(HttpServer, ClosesOnAPeerThatDoesNotReadItsAnswers) {
  serve({.request_timeout = 100ms});
  RawPeer peer(*server_);
  while (peer.send("GET /large HTTP/1.1\r\n\r\n")) {
  }
}

TEST_F(HttpServer, EvictsTheLongestIdleOfTenThousand) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const auto crowd = std::min<rlim_t>(10'000, files.rlim_max - 500);
  serve({.connections = 50});
  RawPeer holder(*server_);
  holder.send("GET /hold HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  std::vector<std::unique_ptr<RawPeer>> idle;
  for (rlim_t i = 0; i < crowd; ++i) idle.push_back(std::make_unique<RawPeer>(*server_));
  RawPeer late(*server_);
  late.send("GET /late HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(contains(late.read_until("GET /late"), "200 OK"));
  EXPECT_EQ("", idle.front()->read_to_end());
  EXPECT_LE(server_->open_connections(), 50);
  on_server([this] {
    ASSERT_TRUE(held_) << "one that waits for an answer is not evicted";
    held_->reply({200, {}, "held"});
    held_.reset();
  });
  holder.read_until("held");
}

TEST_F(HttpServer, ClosesNewOnesWhenAllAreBusy) {
  serve({.connections = 1});
  RawPeer busy(*server_);
  busy.send("GET /hold HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  RawPeer refused(*server_);
  EXPECT_EQ("", refused.read_to_end());
  EXPECT_EQ(1, server_->open_connections());
}

TEST_F(HttpServer, UnfinishedRequestsDoNotKeepOthersOut) {
  serve({.connections = 2});
  RawPeer holder(*server_);
  holder.send("GET /hold HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  RawPeer slow(*server_);
  slow.send("GET /slow HTT");
  RawPeer late(*server_);
  late.send("GET /late HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(contains(late.read_until("GET /late"), "200 OK"));
  EXPECT_EQ("", slow.read_to_end());
}

TEST_F(HttpServer, ServesAgainAfterRunningOutOfFileDescriptors) {
  serve();
  RawPeer first(*server_);
  first.send("GET /first HTTP/1.1\r\n\r\n");
  first.read_until("GET /first");
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  RawPeer late(endpoint_of(server_->address()), [&] {
    rlimit none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
  });
  late.send("GET /late HTTP/1.1\r\n\r\n");
  first.send("GET /again HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(contains(first.read_until("GET /again"), "200 OK"));
  EXPECT_EQ(2, handled_);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(contains(late.read_until("GET /late"), "200 OK"));
}

TEST_F(HttpServer, BoundsWaitersAndGivesThemBack) {
  serve({.waiters = 1});
  RawPeer first(*server_);
  first.send("GET /hold HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  RawPeer second(*server_);
  second.send("GET /hold HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(contains(second.read_until("\r\n\r\n"), "503 "));
  first.close();
  ASSERT_TRUE(is_closed_.wait());
  on_server([] {});
  RawPeer third(*server_);
  third.send("GET /stream HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(contains(third.read_until("\r\n\r\n"), "200 OK"));
}

TEST_F(HttpServer, SeesThatAKilledProcessHasGone) {
  serve();
  RawPeer peer(*server_);
  const pid_t child = fork();
  if (child == 0) {
    pause();  // holds the only other copy of the connection
    _exit(0);
  }
  peer.send("GET /stream HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  peer.close();
  on_server([this] { EXPECT_TRUE(held_); });
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(is_closed_.wait());
  EXPECT_TRUE(closed_by_peer_);
}

TEST_F(HttpServer, CutsAStreamWhosePeerDoesNotReadAndSaysThatThePeerDidNotEnd) {
  serve({.stream_backlog_bytes = 1000});
  RawPeer peer(*server_);
  peer.send("GET /stream HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  while (!is_closed_.wait(0ms)) {
    on_server([this] {
      if (held_) held_->write(std::string(10'000, 'x'));
    });
  }
  EXPECT_FALSE(closed_by_peer_);
}

TEST_F(HttpServer, StopsPromptlyWithOpenConnections) {
  serve();
  RawPeer idle(*server_);
  RawPeer half(*server_);
  half.send("GET / HT");
  RawPeer waiting(*server_);
  waiting.send("GET /hold HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_held_.wait());
  on_server([this] { server_->after(1h, [] { FAIL(); }); });
  server_->stop();
  EXPECT_TRUE(is_closed_.wait(0ms));
  EXPECT_FALSE(closed_by_peer_);
  EXPECT_EQ("", idle.read_to_end());
  EXPECT_EQ(0, server_->open_connections());
  server_->stop();
}

TEST_F(HttpServer, AnExchangeMayOutliveTheServer) {
  std::shared_ptr<Exchange> kept;
  Signal is_kept;
  server_ = started({.address = "127.0.0.1:0", .limits = {}, .tls = nullptr},
                    [&](const std::shared_ptr<Exchange>& exchange) {
                      kept = exchange;
                      is_kept.set();
                    });
  RawPeer peer(*server_);
  peer.send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(is_kept.wait());
  server_.reset();
  bool was_called = false;
  kept->on_closed([&] { was_called = true; });
  EXPECT_TRUE(was_called);
  kept->reply({200, {}, ""});
}

TEST_F(HttpServer, AThrowingHandlerAndADroppedExchange) {
  serve();
  RawPeer thrown(*server_);
  thrown.send("GET /throw HTTP/1.1\r\n\r\n");
  const std::string answer = thrown.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_FALSE(contains(answer, "eyes"));
  RawPeer dropped(*server_);
  dropped.send("GET /drop HTTP/1.1\r\n\r\n");
  EXPECT_EQ("", dropped.read_to_end());
}

// What waits for the end may own the exchange: answered for its handler, it was never freed.
TEST_F(HttpServer, AnExchangeWhoseHandlerThrewIsLetGo) {
  std::weak_ptr<Exchange> thrown;
  server_ = started({.address = "127.0.0.1:0", .limits = {}, .tls = nullptr},
                    [&](const std::shared_ptr<Exchange>& exchange) {
                      thrown = exchange;
                      exchange->on_closed([exchange] { FAIL() << "it was answered"; });
                      throw std::runtime_error("after on_closed");
                    });
  RawPeer peer(*server_);
  peer.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(peer.read_to_end().starts_with("HTTP/1.1 500 "));
  on_server([&] { EXPECT_TRUE(thrown.expired()); });
}

TEST_F(HttpServer, RunsAndCancelsTimers) {
  serve();
  Signal has_run;
  on_server([&] {
    const auto cancel = server_->after(0ms, [] { FAIL() << "canceled"; });
    server_->after(1ms, [&] { has_run.set(); });
    cancel();
    cancel();
  });
  EXPECT_TRUE(has_run.wait());
}

TEST(Listen, ErrorsNameTheAddressAndTheReason) {
  const auto error_of = [](const std::string& address) {
    const auto server = Server::listen({.address = address, .limits = {}, .tls = nullptr}, {});
    return server.ok() ? "" : server.error();
  };
  const auto server = started({.address = "127.0.0.1:0", .limits = {}, .tls = nullptr}, {});
  EXPECT_EQ("listen on " + server->address() + ": Address already in use",
            error_of(server->address()));
  for (const char* address : {"", "localhost:1", "127.0.0.1", "::1:80", "[127.0.0.1]:80",
                              "127.0.0.1:65536", "127.0.0.1:-1", "[::1]"}) {
    EXPECT_EQ("listen on " + std::string(address) +
                  ": not an address; write 127.0.0.1:4040, [::1]:4040 or unix:/path",
              error_of(address));
  }
  EXPECT_NE("", error_of("unix:" + std::string(108, 'a')));
  EXPECT_NE("", error_of("192.0.2.1:0"));
}

TEST(Listen, ReplacesAStaleSocketFileButNotALiveOneNorAnotherFile) {
  const std::string path = testing::TempDir() + "/baton-stale-" + std::to_string(getpid());
  const ServerOptions options{.address = "unix:" + path, .limits = {}, .tls = nullptr};
  const auto left = bind_and_listen(options.address);
  ASSERT_TRUE(left.ok());
  EXPECT_FALSE(Server::listen(options, {}).ok()) << "another process serves it";
  close(left->descriptor);
  auto server = Server::listen(options, {});
  ASSERT_TRUE(server.ok()) << server.error();
  struct stat file {};
  EXPECT_EQ(0, stat(path.c_str(), &file));
  (*server)->stop();
  EXPECT_NE(0, stat(path.c_str(), &file)) << "removed by stop()";
  std::ofstream(path) << "precious";
  EXPECT_FALSE(Server::listen(options, {}).ok());
  unlink(path.c_str());
}

}  // namespace
}  // namespace baton::http
