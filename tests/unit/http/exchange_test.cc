// The server and the client against each other, over every kind of socket.
#include <gtest/gtest.h>

#include "support/certificates.h"
#include "unit/http/pair.h"

namespace baton::http {
namespace {

using test::CertificateAuthority;

enum class Kind { ipv4, ipv6, unix_socket, tls };

class OverEverySocket : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Server> serve(Handler handler, ServerLimits limits = {}) {
    ServerOptions options{.address = "127.0.0.1:0", .limits = limits, .tls = nullptr};
    if (GetParam() == Kind::ipv6) options.address = "[::1]:0";
    if (GetParam() == Kind::unix_socket) {
      options.address = "unix:" + testing::TempDir() + "/baton-" + std::to_string(getpid());
    }
    if (GetParam() == Kind::tls) {
      const auto issued = authority_.issue({"server", {"IP:127.0.0.1"}});
      options.tls =
          std::make_shared<ServerTls>(ServerTls{issued.certificate_pem, issued.key_pem, ""});
      ClientTls trust;
      trust.ca_pem = authority_.pem();
      auto context = make_tls_context(trust);
      EXPECT_TRUE(context.ok());
      tls_ = *context;
    }
    return started(options, std::move(handler));
  }
  std::unique_ptr<Connection> client(const Server& server) { return client_of(server, tls_); }

  CertificateAuthority authority_;
  std::shared_ptr<TlsContext> tls_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, OverEverySocket,
                         testing::Values(Kind::ipv4, Kind::ipv6, Kind::unix_socket, Kind::tls));

void echo(const std::shared_ptr<Exchange>& exchange) {
  const Request& request = exchange->request();
  exchange->reply(
      {200,
       {{"X-Method", request.method}, {"X-Sent", std::string(header(request.headers, "x-sent"))}},
       request.target + "|" + request.body});
}

TEST_P(OverEverySocket, AnswersOnAKeptConnection) {
  const auto server = serve(echo);
  const auto connection = client(*server);
  for (int i = 0; i < 3; ++i) {
    const Reply reply = connection->exchange(
        {"POST", "/a?b=c", {{"X-Sent", "yes"}}, std::string(3000, 'x')}, soon());
    ASSERT_EQ(IoKind::ok, reply.kind) << reply.what;
    EXPECT_EQ(200, reply.response.status);
    EXPECT_EQ("/a?b=c|" + std::string(3000, 'x'), reply.response.body);
    EXPECT_EQ("yes", header(reply.response.headers, "X-SENT"));
    EXPECT_EQ(29u, header(reply.response.headers, "Date").size());
    EXPECT_EQ(i > 0, reply.reused_connection);
  }
  EXPECT_EQ(1, server->open_connections());
}

TEST_P(OverEverySocket, MovesLargeBodiesBothWays) {
  const std::size_t size = 3u << 20;
  const auto server = serve(echo, {.body_bytes = size});
  const std::string body(size, 'y');
  const Reply reply = client(*server)->exchange({"PUT", "/", {}, body}, soon());
  ASSERT_EQ(IoKind::ok, reply.kind) << reply.what;
  EXPECT_TRUE(reply.response.body == "/|" + body);
}

TEST_P(OverEverySocket, StreamsLinesUntilClosed) {
  std::shared_ptr<Exchange> stream;
  Signal has_started;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    stream = exchange;
    exchange->start_stream({200, {}, ""});
    exchange->write("one\ntw");
    has_started.set();
  });
  const auto connection = client(*server);
  const Reply reply = connection->open_stream(get("/watch"), soon());
  ASSERT_EQ(IoKind::ok, reply.kind) << reply.what;
  std::string error;
  EXPECT_EQ("one", connection->next_line(soon(), error));
  EXPECT_EQ(std::nullopt, connection->next_line(soon(50ms), error));
  EXPECT_EQ("deadline", error);
  server->post([&] {
    stream->write("o\n\nlast");
    stream->close();
    stream.reset();
  });
  EXPECT_EQ("two", connection->next_line(soon(), error));
  EXPECT_EQ("", connection->next_line(soon(), error));
  EXPECT_EQ("last", connection->next_line(soon(), error));
  EXPECT_EQ(std::nullopt, connection->next_line(soon(), error));
  EXPECT_EQ("", error);
  EXPECT_TRUE(connection->connected());
}

TEST_P(OverEverySocket, TellsAtOnceWhenTheAskerHasGone) {
  for (const bool is_streaming : {false, true}) {
    std::shared_ptr<Exchange> held;
    Signal is_held;
    Signal is_closed;
    const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
      held = exchange;
      if (is_streaming) exchange->start_stream({200, {}, ""});
      exchange->on_closed([&] {
        EXPECT_TRUE(held->closed_by_peer());
        held.reset();
        is_closed.set();
      });
      is_held.set();
    });
    const auto connection = client(*server);
    std::thread leaver([&] {
      is_held.wait();
      connection->cancel();
    });
    EXPECT_EQ(IoKind::canceled, connection->exchange(get("/"), soon()).kind);
    EXPECT_FALSE(connection->connected());
    leaver.join();
    EXPECT_TRUE(is_closed.wait());
  }
}

TEST_P(OverEverySocket, CancelFromAnotherThread) {
  Signal is_held;
  std::shared_ptr<Exchange> held;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    held = exchange;
    is_held.set();
  });
  const auto connection = client(*server);
  std::thread canceler([&] {
    is_held.wait();
    connection->cancel();
  });
  const Reply reply = connection->exchange(get("/"), soon());
  EXPECT_EQ(IoKind::canceled, reply.kind) << reply.what;
  canceler.join();
  server->stop();
  connection->cancel();
  EXPECT_EQ(IoKind::canceled, connection->exchange(get("/"), soon()).kind);
  EXPECT_EQ(IoKind::not_sent, connection->exchange(get("/"), soon()).kind);
}

}  // namespace
}  // namespace baton::http
