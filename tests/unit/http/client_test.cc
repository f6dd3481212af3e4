// The client against silent, slow, lying and vanishing servers.
#include "http/client.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <thread>

#include "unit/http/pair.h"

namespace {

struct HangingResolver {
  baton::http::Signal may_go_on;
  baton::http::Signal has_gone;
};
std::shared_ptr<HangingResolver> hanging;

}  // namespace

// Stands in front of the C library's: "hang.test" is a name whose resolver does not answer.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  if (host != nullptr && std::string(host) == "hang.test" &&
      (hints->ai_flags & AI_NUMERICHOST) == 0) {
    const auto mine = hanging;
    mine->may_go_on.wait();
    mine->has_gone.set();
    return EAI_AGAIN;
  }
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  // A name that needs no /etc/hosts.
  const bool is_ours = host != nullptr && std::string(host) == "loopback.test" &&
                       (hints->ai_flags & AI_NUMERICHOST) == 0;
  return real(is_ours ? "127.0.0.1" : host, service, hints, result);
}

namespace baton::http {
namespace {

/// Waits for the client to close.
void stay_silent(int descriptor) {
  char byte = 0;
  while (recv(descriptor, &byte, 1, 0) == 1) {
  }
}

Reply ask(const Endpoint& endpoint, Duration patience = kPatience, ClientLimits limits = {}) {
  return Connection::make(endpoint, nullptr, limits)->exchange(get("/"), soon(patience));
}

TEST(Client, NamesAPeerThatDoesNotListen) {
  const auto bound = bind_and_listen("127.0.0.1:0");
  close(bound->descriptor);
  const Reply reply = ask(endpoint_of(bound->address));
  EXPECT_EQ(IoKind::not_sent, reply.kind);
  EXPECT_EQ("connect " + bound->address + ": Connection refused", reply.what);
  const Reply no_socket = ask({.host = "unix:/nowhere/socket", .port = 0, .authority = ""});
  EXPECT_EQ(IoKind::not_sent, no_socket.kind);
  EXPECT_EQ("connect unix:/nowhere/socket: No such file or directory", no_socket.what);
  EXPECT_EQ(IoKind::not_sent,
            ask({.host = "unix:" + std::string(200, 'a'), .port = 0, .authority = ""}).kind);
}

/// At the deadline: `unknown` if a byte of the request may have left, whatever the machine's load.
void expect_deadline(const Reply& reply, bool peer_got_bytes) {
  EXPECT_TRUE(reply.what.ends_with(": deadline exceeded")) << reply.what;
  EXPECT_TRUE(reply.kind == IoKind::unknown || reply.kind == IoKind::not_sent);
  if (peer_got_bytes) {
    EXPECT_EQ(IoKind::unknown, reply.kind);
  }
}

TEST(Client, ASilentServerEndsAtTheDeadlineAsUnknown) {
  std::atomic<bool> got_byte = false;
  const RawServer server([&](int descriptor) {
    char byte = 0;
    got_byte = recv(descriptor, &byte, 1, 0) == 1;
    stay_silent(descriptor);
  });
  const Instant start = boot_now();
  const Reply reply = ask(server.endpoint(), 500ms);
  EXPECT_GE(boot_now() - start, 500ms);
  EXPECT_LT(boot_now() - start, kPatience);
  expect_deadline(reply, got_byte);
}

TEST(Client, ATricklingServerEndsAtTheDeadline) {
  const RawServer server([](int descriptor) {
    read_request(descriptor);
    say(descriptor, "HTTP/1.1 200 OK\r\nX: ");
    while (say(descriptor, "x")) std::this_thread::yield();
  });
  const Reply reply = ask(server.endpoint(), 500ms, {.header_bytes = 1u << 30});
  expect_deadline(reply, false);
}

TEST(Client, EndlessInterimAnswersEndAtTheDeadline) {
  const RawServer server([](int descriptor) {
    while (say(descriptor, "HTTP/1.1 100 Continue\r\n\r\n")) {
    }
  });
  const Reply reply = ask(server.endpoint(), 500ms);
  // What comes before the request was sent is refused to be read as its answer.
  EXPECT_NE(IoKind::ok, reply.kind);
}

TEST(Client, AServerThatDoesNotReadEndsAtTheDeadline) {
  Signal is_over;
  const RawServer server([&](int) { is_over.wait(); });
  const auto connection = Connection::make(server.endpoint(), nullptr);
  const Request large{"PUT", "/", {}, std::string(std::size_t{32} << 20, 'x')};
  expect_deadline(connection->exchange(large, soon(500ms)), false);
  is_over.set();
}

TEST(Client, ASilentTlsServerEndsAtTheDeadlineWithNothingSent) {
  const RawServer server(stay_silent);
  ClientTls anyone;
  anyone.insecure_skip_verify = true;
  const auto connection = Connection::make(server.endpoint(), *make_tls_context(anyone));
  const Reply reply = connection->exchange(get("/"), soon(200ms));
  EXPECT_EQ(IoKind::not_sent, reply.kind);
  EXPECT_TRUE(reply.what.ends_with(": deadline exceeded")) << reply.what;
}

TEST(Client, APastDeadlineSendsNothing) {
  std::atomic<bool> got_byte = false;
  {
    const RawServer server([&](int descriptor) {
      char byte = 0;
      got_byte = recv(descriptor, &byte, 1, 0) == 1;
    });
    const auto connection = Connection::make(server.endpoint(), nullptr);
    ASSERT_EQ("", connection->connect(soon()));
    EXPECT_EQ(IoKind::not_sent, connection->exchange(get("/"), boot_now()).kind);
  }
  EXPECT_FALSE(got_byte);
}

TEST(Client, AHangingResolverHoldsUpNeitherTheCallNorTheEnd) {
  const auto resolver = std::make_shared<HangingResolver>();
  hanging = resolver;
  {
    const auto connection =
        Connection::make({.host = "hang.test", .port = 1, .authority = ""}, nullptr);
    const Reply first = connection->exchange(get("/"), soon(100ms));
    EXPECT_EQ(IoKind::not_sent, first.kind);
    EXPECT_EQ("resolve hang.test: deadline exceeded", first.what);
    EXPECT_EQ("resolve hang.test: deadline exceeded", connection->connect(soon(1ms)));
    std::thread canceler([&] { connection->cancel(); });
    EXPECT_EQ(IoKind::canceled, connection->exchange(get("/"), soon()).kind);
    canceler.join();
  }
  resolver->may_go_on.set();
  EXPECT_TRUE(resolver->has_gone.wait());
}

TEST(Client, ResolvesNames) {
  const RawServer server([](int descriptor) {
    read_request(descriptor);
    say(descriptor, "HTTP/1.1 204 No Content\r\n\r\n");
  });
  Endpoint endpoint = server.endpoint();
  endpoint.host = "loopback.test";
  const Reply reply = ask(endpoint);
  EXPECT_EQ(IoKind::ok, reply.kind) << reply.what;
  EXPECT_EQ(204, reply.response.status);
}

TEST(Client, ReadsEveryFramingAndSkipsInterimAnswers) {
  const std::pair<std::string, std::string> cases[] = {
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n",
       "abc"},
      {"HTTP/1.1 200 OK\r\n\r\nabc", "abc"},
      {"HTTP/1.0 200 OK\r\n\r\n", ""}};
  for (const auto& [text, body] : cases) {
    const RawServer server([&](int descriptor) {
      read_request(descriptor);
      say(descriptor, text);
    });
    const Reply reply = ask(server.endpoint());
    EXPECT_EQ(IoKind::ok, reply.kind) << reply.what;
    EXPECT_EQ(body, reply.response.body);
  }
}

TEST(Client, RefusesAnswersThatBreakALimitOrTheProtocol) {
  const std::pair<std::string, std::string> cases[] = {
      {"HTTP/1.1 200 OK\r\nX: " + std::string(2000, 'x'),
       "header is larger than the limit of 1000"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'),
       "body is larger than the limit of 100"},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x'), "body is larger than the limit of 100"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n", "not well-formed HTTP/1.1"},
      {"HTTP/1.1 051 Early\r\nContent-Length: 2\r\n\r\n{}", "not well-formed HTTP/1.1"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "not well-formed HTTP/1.1"}};
  for (const auto& [text, why] : cases) {
    const RawServer server([&](int descriptor) {
      read_request(descriptor);
      say(descriptor, text);
      stay_silent(descriptor);
    });
    const Reply reply =
        ask(server.endpoint(), kPatience, {.header_bytes = 1000, .body_bytes = 100});
    EXPECT_EQ(IoKind::refused, reply.kind) << text.substr(0, 60);
    EXPECT_NE(std::string::npos, reply.what.find(why)) << reply.what;
  }
}

TEST(Client, ACutAnswerIsUnknown) {
  for (const std::string text :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    const RawServer server([&](int descriptor) {
      read_request(descriptor);
      say(descriptor, text);
    });
    const auto connection = Connection::make(server.endpoint(), nullptr);
    const Reply reply = connection->exchange(get("/"), soon());
    EXPECT_EQ(IoKind::unknown, reply.kind) << text;
    EXPECT_FALSE(connection->connected());
  }
}

TEST(Client, ReplacesAKeptConnectionThatThePeerHasClosed) {
  const auto server =
      started({.address = "127.0.0.1:0", .limits = {}, .tls = nullptr}, [](const auto& exchange) {
        exchange->reply({200, {}, ""});
      });
  const std::string address = server->address();
  const auto connection = client_of(*server);
  ASSERT_EQ(IoKind::ok, connection->exchange(get("/"), soon()).kind);
  server->stop();
  const auto successor =
      started({.address = address, .limits = {}, .tls = nullptr}, [](const auto& exchange) {
        exchange->reply({200, {}, ""});
      });
  ASSERT_TRUE(connection->connected());
  const Reply reply = connection->exchange(get("/"), soon());
  EXPECT_EQ(IoKind::ok, reply.kind) << reply.what;
  EXPECT_FALSE(reply.reused_connection);
}

TEST(Client, StreamErrorsComeWithTheirBodyAndLinesAreBounded) {
  const auto server = started({.address = "127.0.0.1:0", .limits = {}, .tls = nullptr},
                              [](const std::shared_ptr<Exchange>& exchange) {
                                if (exchange->target().path == "/gone") {
                                  return exchange->reply({410, {}, "too old\nresourceVersion"});
                                }
                                exchange->start_stream({200, {}, ""});
                                exchange->write("ok\n" + std::string(2000, 'x') + "\n");
                                exchange->close();
                              });
  const auto connection = client_of(*server, nullptr, {.line_bytes = 1000});
  const Reply gone = connection->open_stream(get("/gone"), soon());
  EXPECT_EQ(410, gone.response.status);
  EXPECT_EQ("too old\nresourceVersion", gone.response.body);
  ASSERT_EQ(IoKind::ok, connection->open_stream(get("/"), soon()).kind);
  std::string error;
  EXPECT_EQ("ok", connection->next_line(soon(), error));
  EXPECT_EQ(std::nullopt, connection->next_line(soon(), error));
  EXPECT_NE(std::string::npos, error.find("longer than the limit of 1000 bytes")) << error;
  EXPECT_FALSE(connection->connected());
}

TEST(Client, ACutStreamGivesNoHalfLine) {
  const RawServer server([](int descriptor) {
    read_request(descriptor);
    say(descriptor, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nab\nhal\r\n");
  });
  const auto connection = Connection::make(server.endpoint(), nullptr);
  ASSERT_EQ(IoKind::ok, connection->open_stream(get("/"), soon()).kind);
  std::string error;
  EXPECT_EQ("ab", connection->next_line(soon(), error));
  EXPECT_EQ(std::nullopt, connection->next_line(soon(), error));
  EXPECT_NE(std::string::npos, error.find("closed by the peer")) << error;
}

TEST(Client, CancelWakesAWaitingStream) {
  const RawServer server([](int descriptor) {
    read_request(descriptor);
    say(descriptor, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    stay_silent(descriptor);
  });
  const auto connection = Connection::make(server.endpoint(), nullptr);
  ASSERT_EQ(IoKind::ok, connection->open_stream(get("/"), soon()).kind);
  std::thread canceler([&] { connection->cancel(); });
  std::string error;
  EXPECT_EQ(std::nullopt, connection->next_line(kNever, error));
  EXPECT_NE(std::string::npos, error.find("canceled")) << error;
  canceler.join();
}

TEST(Client, ABadRequestIsNotSent) {
  const Reply reply = Connection::make({.host = "127.0.0.1", .port = 1, .authority = ""}, nullptr)
                          ->exchange({"GET", "/", {{"Authorization", "a\nb"}}, ""}, soon());
  EXPECT_EQ(IoKind::not_sent, reply.kind);
  EXPECT_EQ("the request header Authorization holds a line break or control byte", reply.what);
}

}  // namespace
}  // namespace baton::http
