#include "http/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include "http/answer.h"
#include "http/sockets.h"
#include "http/tls.h"
#include "http/wire.h"

namespace baton::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::generic::stream_protocol;
using Socket = Protocol::socket;

class ConnectionImpl final : public Connection {
 public:
  ConnectionImpl(Endpoint endpoint, std::shared_ptr<TlsContext> tls, ClientLimits limits);
  ~ConnectionImpl() override { close(); }

  std::string connect(Instant deadline) override;
  bool connected() const override { return connected_; }
  Reply exchange(const Request& request, Instant deadline) override;
  Reply open_stream(const Request& request, Instant deadline) override;
  std::optional<std::string> next_line(Instant deadline, std::string& error) override;
  void close() override;
  void cancel() override;

 private:
  enum class Ran { done, deadline, canceled };

  Ran run(const bool& done, Instant deadline);
  Failure stopped(Ran ran, const std::string& doing, IoKind kind);
  Failure establish(Instant deadline);
  Failure find_addresses(Instant deadline, std::vector<SocketAddress>& addresses);
  Failure connect_to(const SocketAddress& address, Instant deadline);
  Failure start_tls(Instant deadline);
  Failure send(const std::string& bytes, Instant deadline);
  Failure receive(Instant deadline);
  Reply run_request(const Request& request, Instant deadline, bool stream);
  Failure request_and_read(const Request& request, Instant deadline, bool stream, Reply& reply);
  void start_read();
  bool is_stale();
  template <typename Operation>
  void on_stream(const Operation& operation) {
    tls_ ? operation(*tls_) : operation(*socket_);
  }

  const Endpoint endpoint_;
  const std::string name_;  // for errors
  const std::string authority_;
  const std::shared_ptr<ClientContext> context_;

  // Shared with a resolver thread that may outlive this connection.
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  struct Resolution {
    bool is_done = false;  // set by work posted to io_
    Resolved result = Error{""};
  };
  std::shared_ptr<Resolution> resolution_;  // one at a time, however long it hangs
  std::atomic<bool> canceled_ = false;

  std::optional<asio::ssl::context> ssl_context_;
  std::optional<Socket> socket_;
  std::optional<asio::ssl::stream<Socket&>> tls_;
  bool connected_ = false;
  bool was_used_ = false;
  bool is_resumed_ = false;

  // A read is started before every request and left pending, so that a peer that has closed is
  // noticed before a byte is written.
  std::array<char, 16384> space_;
  bool is_reading_ = false;
  bool has_read_ = false;  // and the outcome is not yet looked at
  error_code read_error_;
  std::size_t read_size_ = 0;

  Answer answer_;
  bool is_streaming_ = false;
};

std::shared_ptr<ClientContext> implementation(std::shared_ptr<TlsContext> context) {
  return std::static_pointer_cast<ClientContext>(std::move(context));
}

std::string text_of(const error_code& error) {
  const bool is_end = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  return is_end ? "closed by the peer" : error.message();
}

std::string name_of(const Endpoint& endpoint) {
  if (endpoint.host.starts_with("unix:")) return endpoint.host;
  const bool is_ipv6 = endpoint.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(endpoint.port);
}

std::string authority_of(const Endpoint& endpoint) {
  if (!endpoint.authority.empty()) return endpoint.authority;
  return endpoint.host.starts_with("unix:") ? "localhost" : name_of(endpoint);
}

ConnectionImpl::ConnectionImpl(Endpoint endpoint, std::shared_ptr<TlsContext> tls,
                               ClientLimits limits)
    : endpoint_(std::move(endpoint)),
      name_(name_of(endpoint_)),
      authority_(authority_of(endpoint_)),
      context_(implementation(std::move(tls))),
      answer_(name_, limits) {
  if (!context_) return;
  SSL_CTX_up_ref(context_->native());
  ssl_context_.emplace(context_->native());
}

void ConnectionImpl::cancel() {
  canceled_ = true;
  asio::post(*io_, [] {});  // wakes run()
}

/// Runs what was started until it is `done`.
ConnectionImpl::Ran ConnectionImpl::run(const bool& done, Instant deadline) {
  io_->restart();
  io_->poll();
  for (;;) {
    if (canceled_.exchange(false)) return Ran::canceled;
    if (done) return Ran::done;
    const Duration left = deadline - boot_now();
    if (left <= Duration::zero()) return Ran::deadline;
    const auto work = asio::make_work_guard(*io_);
    io_->restart();
    // In bounded turns: the deadline is on BOOTTIME, which also counts suspends.
    io_->run_one_for(std::min<Duration>(left, std::chrono::minutes(1)));
  }
}

Failure ConnectionImpl::stopped(Ran ran, const std::string& doing, IoKind kind) {
  if (ran == Ran::done) return {};
  if (ran == Ran::canceled) return {IoKind::canceled, doing + ": canceled"};
  return {kind, doing + ": deadline exceeded"};
}

void ConnectionImpl::close() {
  if (socket_) {
    error_code ignored;
    socket_->close(ignored);
  }
  io_->restart();
  io_->poll();  // the operations that the close has aborted
  // OpenSSL forgets the session of a connection that was not shut down.
  if (tls_) SSL_set_shutdown(tls_->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  tls_.reset();
  socket_.reset();
  connected_ = is_streaming_ = has_read_ = false;
}

std::string ConnectionImpl::connect(Instant deadline) { return establish(deadline).what; }

Failure ConnectionImpl::establish(Instant deadline) {
  if (connected_ && !is_stale()) return {};
  close();
  was_used_ = is_resumed_ = false;
  std::vector<SocketAddress> addresses;
  if (Failure failure = find_addresses(deadline, addresses)) return failure;
  Failure failure;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // Each address gets its share of the time, so that a silent one leaves some to the next.
    const Instant now = boot_now();
    const auto share = (deadline - now) / static_cast<std::int64_t>(addresses.size() - i);
    failure = connect_to(addresses[i], now + share);
    if (!failure || failure.kind == IoKind::canceled) break;
    close();
  }
  if (!failure && context_) failure = start_tls(deadline);
  if (failure) {
    close();
    return failure;
  }
  connected_ = true;
  return {};
}

Failure ConnectionImpl::find_addresses(Instant deadline, std::vector<SocketAddress>& addresses) {
  if (SocketAddress address; literal_address(endpoint_.host, endpoint_.port, address)) {
    addresses.push_back(address);
    return {};
  }
  if (endpoint_.host.starts_with("unix:")) {
    return {IoKind::not_sent, "connect " + name_ + ": a socket's path has 1 to 107 bytes"};
  }
  if (!resolution_) {
    resolution_ = std::make_shared<Resolution>();
    resolve(endpoint_.host, endpoint_.port,
            [io = io_, resolution = resolution_](Resolved resolved) {
              asio::post(*io, [resolution, resolved = std::move(resolved)] {
                resolution->result = resolved;
                resolution->is_done = true;
              });
            });
  }
  const Ran ran = run(resolution_->is_done, deadline);
  if (Failure failure = stopped(ran, "resolve " + endpoint_.host, IoKind::not_sent)) {
    return failure;
  }
  const Resolved result = std::move(resolution_->result);
  resolution_.reset();
  if (!result.ok()) return {IoKind::not_sent, result.error()};
  addresses = *result;
  return {};
}

Failure ConnectionImpl::connect_to(const SocketAddress& address, Instant deadline) {
  const std::string doing = "connect " + name_;
  const Result<int> opened = open_client_socket(address);
  if (!opened.ok()) return {IoKind::not_sent, doing + ": " + opened.error()};
  socket_.emplace(*io_);
  error_code error;
  if (socket_->assign(Protocol(address.storage.ss_family, 0), *opened, error)) {
    ::close(*opened);
    return {IoKind::not_sent, doing + ": " + error.message()};
  }
  bool done = false;
  const Protocol::endpoint peer(&address.storage, address.length);
  socket_->async_connect(peer, [&](const error_code& result) {
    error = result;
    done = true;
  });
  const Ran ran = run(done, deadline);
  if (!done) close();  // ends the operation that refers to our locals
  if (Failure failure = stopped(ran, doing, IoKind::not_sent)) return failure;
  if (error) return {IoKind::not_sent, doing + ": " + error.message()};
  return {};
}

Failure ConnectionImpl::start_tls(Instant deadline) {
  const std::string doing = "TLS with " + name_;
  tls_.emplace(*socket_, *ssl_context_);
  SSL* ssl = tls_->native_handle();
  if (!context_->prepare(ssl, endpoint_.host)) {
    return {IoKind::not_sent, doing + ": not a server name: " + endpoint_.host};
  }
  error_code error;
  bool done = false;
  tls_->async_handshake(asio::ssl::stream_base::client, [&](const error_code& result) {
    error = result;
    done = true;
  });
  const Ran ran = run(done, deadline);
  if (!done) close();
  if (Failure failure = stopped(ran, doing, IoKind::not_sent)) return failure;
  is_resumed_ = SSL_session_reused(ssl) == 1;
  if (!error) return {};
  bool is_refused = false;
  const std::string why = context_->explain(ssl, text_of(error), is_refused);
  return {is_refused ? IoKind::refused : IoKind::not_sent, doing + ": " + why};
}

void ConnectionImpl::start_read() {
  if (is_reading_ || has_read_) return;
  is_reading_ = true;
  on_stream([&](auto& stream) {
    stream.async_read_some(asio::buffer(space_), [&](const error_code& error, std::size_t size) {
      is_reading_ = false;
      has_read_ = true;
      read_error_ = error;
      read_size_ = size;
    });
  });
}

/// The peer has closed a kept connection, or sent what nobody asked for.
bool ConnectionImpl::is_stale() {
  start_read();
  io_->restart();
  io_->poll();
  return has_read_;
}

Failure ConnectionImpl::send(const std::string& bytes, Instant deadline) {
  error_code error;
  bool done = false;
  on_stream([&](auto& stream) {
    asio::async_write(stream, asio::buffer(bytes), [&](const error_code& result, std::size_t) {
      error = result;
      done = true;
    });
  });
  const std::string doing = "write to " + name_;
  const Ran ran = run(done, deadline);
  if (!done) close();
  if (Failure failure = stopped(ran, doing, IoKind::unknown)) return failure;
  if (error) return {IoKind::unknown, doing + ": " + error.message()};
  return {};
}

/// Reads once and parses; at the deadline the read stays pending.
Failure ConnectionImpl::receive(Instant deadline) {
  const std::string doing = "read from " + name_;
  start_read();
  if (Failure failure = stopped(run(has_read_, deadline), doing, IoKind::unknown)) return failure;
  has_read_ = false;
  if (!read_error_) return answer_.feed({space_.data(), read_size_});
  if (read_error_ == asio::error::eof) return answer_.feed_end();
  return {IoKind::unknown, doing + ": " + text_of(read_error_)};
}

Reply ConnectionImpl::exchange(const Request& request, Instant deadline) {
  return run_request(request, deadline, false);
}

Reply ConnectionImpl::open_stream(const Request& request, Instant deadline) {
  return run_request(request, deadline, true);
}

Reply ConnectionImpl::run_request(const Request& request, Instant deadline, bool stream) {
  Reply reply;
  if (is_streaming_) close();
  const Failure failure = request_and_read(request, deadline, stream, reply);
  reply.kind = failure.kind;
  reply.what = failure.what;
  if (failure) {
    close();
    return reply;
  }
  is_streaming_ = stream && answer_.status() == 200;
  reply.response = answer_.take_head();
  if (is_streaming_) return reply;
  reply.response.body = answer_.take_body();
  if (!answer_.keeps_alive()) close();
  return reply;
}

Failure ConnectionImpl::request_and_read(const Request& request, Instant deadline, bool stream,
                                         Reply& reply) {
  const Result<std::string> bytes = format_request(request, authority_);
  if (!bytes.ok()) return {IoKind::not_sent, bytes.error()};
  if (Failure failure = establish(deadline)) return failure;
  const std::string doing = "write to " + name_;
  if (canceled_.exchange(false)) return stopped(Ran::canceled, doing, IoKind::not_sent);
  if (boot_now() >= deadline) return stopped(Ran::deadline, doing, IoKind::not_sent);
  reply.reused_connection = std::exchange(was_used_, true);
  reply.resumed_tls = is_resumed_;
  if (Failure failure = send(bytes.value(), deadline)) return failure;
  answer_.expect(request.method == "HEAD");
  while (!answer_.is_done() && !(stream && answer_.is_head_done() && answer_.status() == 200)) {
    // Looked at here too, for a peer that always has more to say.
    if (boot_now() >= deadline) {
      return stopped(Ran::deadline, "read from " + name_, IoKind::unknown);
    }
    if (Failure failure = receive(deadline)) return failure;
  }
  return {};
}

std::optional<std::string> ConnectionImpl::next_line(Instant deadline, std::string& error) {
  error.clear();
  Failure failure;
  while (is_streaming_ && !failure) {
    if (auto line = answer_.take_line(failure)) return line;
    if (!failure && answer_.is_done()) {
      is_streaming_ = false;
      std::string last = answer_.take_body();
      if (!answer_.keeps_alive()) close();
      if (last.empty()) return {};
      return last;
    }
    if (!failure) failure = receive(deadline);
    if (failure && is_reading_ && failure.kind != IoKind::canceled) {
      error = "deadline";  // the read goes on
      return {};
    }
  }
  if (failure) close();
  error = failure.what;
  return {};
}

}  // namespace

std::unique_ptr<Connection> Connection::make(Endpoint endpoint, std::shared_ptr<TlsContext> tls,
                                             ClientLimits limits) {
  return std::make_unique<ConnectionImpl>(std::move(endpoint), std::move(tls), limits);
}

}  // namespace baton::http
