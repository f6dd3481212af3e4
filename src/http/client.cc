#include "http/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include "base/failpoint.h"
#include "http/answer.h"
#include "http/sockets.h"
#include "http/stream.h"
#include "http/tls.h"
#include "http/wire.h"

namespace baton::http {
namespace {

class ConnectionImpl final : public Connection {
 public:
  ConnectionImpl(Endpoint endpoint, std::shared_ptr<TlsContext> tls, ClientLimits limits)
      : endpoint_(std::move(endpoint)),
        name_(name_of(endpoint_)),
        context_(std::move(tls)),
        answer_(name_, limits) {}
  ~ConnectionImpl() override { close(); }

  std::string connect(Instant deadline) override { return establish(deadline).what; }
  bool connected() const override { return connected_; }
  Reply exchange(const Request& request, Instant deadline) override {
    return run_request(request, deadline, false);
  }
  Reply open_stream(const Request& request, Instant deadline) override {
    return run_request(request, deadline, true);
  }

  std::optional<std::string> next_line(Instant deadline, std::string& error) override {
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

  void close() override {
    if (stream_) stream_->close();
    io_->restart();
    io_->poll();  // the operations that the close has aborted
    stream_.reset();
    connected_ = is_streaming_ = has_read_ = false;
  }

  void cancel() override {
    canceled_ = true;
    asio::post(*io_, [] {});  // wakes wait()
  }

 private:
  /// Why the call must end now; `kind` is for the deadline.
  Failure stopped(Instant deadline, IoKind kind, const std::string& doing) {
    if (canceled_.exchange(false)) return {IoKind::canceled, doing + ": canceled"};
    if (boot_now() >= deadline) return {kind, doing + ": deadline exceeded"};
    return {};
  }

  /// Runs what was started until it is `done`.
  Failure wait(const bool& done, Instant deadline, IoKind kind, const std::string& doing) {
    io_->restart();
    io_->poll();
    for (;;) {
      if (Failure failure = stopped(done ? kNever : deadline, kind, doing)) return failure;
      if (done) return {};
      const auto work = asio::make_work_guard(*io_);
      io_->restart();
      // In bounded turns: the deadline is on BOOTTIME, which also counts suspends.
      io_->run_one_for(std::min<Duration>(deadline - boot_now(), std::chrono::minutes(1)));
    }
  }

  /// Starts an operation, by calling `start` with its handler, and waits for its end. If it does
  /// not end in time, the connection is closed, so that nothing refers to what the caller holds.
  template <typename Start>
  Failure await(Instant deadline, IoKind kind, const std::string& doing, const Start& start) {
    bool done = false;
    error_code error;
    start([&](const error_code& result, std::size_t = 0) {
      error = result;
      done = true;
    });
    Failure failure = wait(done, deadline, kind, doing);
    if (!done) close();
    if (!failure && error) return {kind, doing + ": " + text_of(error)};
    return failure;
  }

  Failure establish(Instant deadline) {
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
    if (failure) close();
    connected_ = !failure;
    return failure;
  }

  Failure find_addresses(Instant deadline, std::vector<SocketAddress>& addresses) {
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
    if (Failure failure =
            wait(resolution_->is_done, deadline, IoKind::not_sent, "resolve " + endpoint_.host)) {
      return failure;
    }
    const Resolved result = std::move(std::exchange(resolution_, nullptr)->result);
    if (!result.ok()) return {IoKind::not_sent, result.error()};
    addresses = *result;
    return {};
  }

  Failure connect_to(const SocketAddress& address, Instant deadline) {
    const std::string doing = "connect " + name_;
    const Result<int> opened = open_client_socket(address);
    if (!opened.ok()) return {IoKind::not_sent, doing + ": " + opened.error()};
    Stream::Socket socket(*io_);
    error_code error;
    if (socket.assign(Stream::Protocol(address.storage.ss_family, 0), *opened, error)) {
      ::close(*opened);
      return {IoKind::not_sent, doing + ": " + error.message()};
    }
    stream_.emplace(std::move(socket));
    const Stream::Protocol::endpoint peer(&address.storage, address.length);
    return await(deadline, IoKind::not_sent, doing,
                 [&](auto handler) { stream_->socket.async_connect(peer, handler); });
  }

  Failure start_tls(Instant deadline) {
    const std::string doing = "TLS with " + name_;
    if (!stream_->begin_tls(*context_, endpoint_.host)) {
      return {IoKind::not_sent, doing + ": not a server name: " + endpoint_.host};
    }
    asio::ssl::stream<Stream::Socket&>& tls = *stream_->tls;
    SSL* ssl = tls.native_handle();
    Failure failure = await(deadline, IoKind::not_sent, doing, [&](auto handler) {
      tls.async_handshake(asio::ssl::stream_base::client, handler);
    });
    if (!stream_ || failure.kind == IoKind::canceled) return failure;
    is_resumed_ = SSL_session_reused(ssl) == 1;
    if (!failure) return {};
    const std::string refusal = context_->explain_failure(ssl);
    if (refusal.empty()) return failure;
    return {IoKind::not_sent, doing + ": " + refusal};
  }

  /// A read is started before every request and left pending, so that a peer that has closed is
  /// noticed before a byte is written.
  void start_read() {
    if (is_reading_ || has_read_) return;
    is_reading_ = true;
    stream_->async_read_some(asio::buffer(space_), [&](const error_code& error, std::size_t size) {
      is_reading_ = false;
      has_read_ = true;
      read_error_ = error;
      read_size_ = size;
    });
  }

  /// The peer has closed a kept connection, or sent what nobody asked for.
  bool is_stale() {
    start_read();
    io_->restart();
    io_->poll();
    return has_read_;
  }

  /// Reads once and parses; at the deadline the read stays pending.
  Failure receive(Instant deadline) {
    const std::string doing = "read from " + name_;
    start_read();
    if (Failure failure = wait(has_read_, deadline, IoKind::unknown, doing)) return failure;
    has_read_ = false;
    if (!read_error_) return answer_.feed({space_.data(), read_size_});
    if (read_error_ == asio::error::eof) return answer_.feed_end();
    return {IoKind::unknown, doing + ": " + text_of(read_error_)};
  }

  Reply run_request(const Request& request, Instant deadline, bool stream) {
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

  Failure request_and_read(const Request& request, Instant deadline, bool stream, Reply& reply) {
    const Result<std::string> bytes = format_request(request, authority_of(endpoint_));
    if (!bytes.ok()) return {IoKind::not_sent, bytes.error()};
    if (Failure failure = establish(deadline)) return failure;
    const std::string writing = "write to " + name_;
    if (Failure failure = stopped(deadline, IoKind::not_sent, writing)) return failure;
    reply.reused_connection = std::exchange(was_used_, true);
    reply.resumed_tls = is_resumed_;
    if (Failure failure = await(deadline, IoKind::unknown, writing, [&](auto handler) {
          asio::async_write(*stream_, asio::buffer(*bytes), handler);
        })) {
      return failure;
    }
    if (request.method == "PUT") failpoint(Failpoint::write_sent);
    answer_.expect(request.method == "HEAD");
    while (!answer_.is_done() && !(stream && answer_.is_head_done() && answer_.status() == 200)) {
      // Looked at here too, for a peer that always has more to say.
      if (Failure failure = stopped(deadline, IoKind::unknown, "read from " + name_)) {
        return failure;
      }
      if (Failure failure = receive(deadline)) return failure;
    }
    if (context_ && !reply.reused_connection) {
      context_->remember(stream_->tls->native_handle(), endpoint_.host);
    }
    return {};
  }

  const Endpoint endpoint_;
  const std::string name_;  // for errors
  const std::shared_ptr<TlsContext> context_;

  // Shared with a resolver thread that may outlive this connection.
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  struct Resolution {
    bool is_done = false;  // set by work posted to io_
    Resolved result = Error{""};
  };
  std::shared_ptr<Resolution> resolution_;  // one at a time, however long it hangs
  std::atomic<bool> canceled_ = false;

  std::optional<Stream> stream_;
  bool connected_ = false;
  bool was_used_ = false;
  bool is_resumed_ = false;

  std::array<char, 16384> space_;
  bool is_reading_ = false;
  bool has_read_ = false;  // and the outcome is not yet looked at
  error_code read_error_;
  std::size_t read_size_ = 0;

  Answer answer_;
  bool is_streaming_ = false;
};

}  // namespace

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

std::unique_ptr<Connection> Connection::make(Endpoint endpoint, std::shared_ptr<TlsContext> tls,
                                             ClientLimits limits) {
  return std::make_unique<ConnectionImpl>(std::move(endpoint), std::move(tls), limits);
}

}  // namespace baton::http
