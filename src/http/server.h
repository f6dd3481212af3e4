// A small bounded HTTP/1.1 server on one thread of its own, over TCP, a Unix socket or TLS.
//
// Every limit in ServerLimits holds per listener. Malformed requests are answered 400 (or the
// connection closed) without reaching the handler; too large ones 413 or 431; slow ones 408 or
// closed; a connection over the limit evicts the longest idle one, else the one whose request has
// been incomplete longest, else it is closed at once (all others wait for answers).
// Accepting backs off when the process is out of file descriptors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "election/time.h"
#include "http/message.h"

namespace boost::asio {
class io_context;
}

namespace baton::http {

struct ServerLimits {
  int connections = 256;             // open at once
  int waiters = 128;                 // of them, held by a long poll or a stream
  std::size_t header_bytes = 16384;  // request line and headers
  std::size_t body_bytes = 4096;
  std::size_t stream_backlog_bytes = 65536;  // unsent bytes of a stream before it is closed
  election::Duration request_timeout = std::chrono::seconds(5);  // first byte to whole request
  election::Duration idle_timeout = std::chrono::seconds(60);    // between requests
};

struct ServerTls {
  std::string certificate_pem;  // chain
  std::string private_key_pem;
  std::string client_ca_pem;  // "" : no client certificate asked for
};

struct ServerOptions {
  // "127.0.0.1:4040", "[::1]:4040", "0.0.0.0:0", "unix:/path/to/socket". A stale socket file is
  // replaced.
  std::string address;
  ServerLimits limits;
  std::shared_ptr<const ServerTls> tls;  // null: plain
};

/// One request being answered. Lives until replied to and let go; every method may be called on
/// the server's thread only. Exactly one of reply() and start_stream() is called, now or later; let
/// go without either, or streaming and not closed, the connection is cut (fault tests need that).
class Exchange {
 public:
  Exchange(Request request, Target target, bool over_unix_socket)
      : request_(std::move(request)),
        target_(std::move(target)),
        over_unix_socket_(over_unix_socket) {}
  virtual ~Exchange() = default;
  const Request& request() const { return request_; }
  const Target& target() const { return target_; }  // parsed target; ok is true
  bool over_unix_socket() const { return over_unix_socket_; }
  /// Answers. Ignored if the peer has gone.
  virtual void reply(Response response) = 0;
  /// Answers with a head and a chunked body that write() feeds, until close().
  virtual void start_stream(Response head) = 0;
  virtual void write(std::string chunk) = 0;
  virtual void close() = 0;
  /// Called once, when the connection ends before reply() was called or while streaming (the peer
  /// closed or reset, a limit, the server stopped); at once if it already has.
  virtual void on_closed(std::function<void()> callback) = 0;
  /// In on_closed and later: the peer ended it (its process died, it closed or reset). False if we
  /// did (a limit, a timeout, stop()): then the end proves nothing about the peer's work.
  virtual bool closed_by_peer() const = 0;

 private:
  const Request request_;
  const Target target_;
  const bool over_unix_socket_;
};

/// Called on the server's thread for each well-formed request. Must not block. May keep the
/// exchange to answer it later (a waiter: refused with 503 by the server above limits.waiters:
/// see try_hold()).
using Handler = std::function<void(std::shared_ptr<Exchange>)>;

class Server {
 public:
  /// Binds and listens; the error names the address and the reason (in use, not available…).
  static Result<std::unique_ptr<Server>> listen(const ServerOptions& options, Handler handler);
  virtual ~Server() = default;  // stops

  /// Starts the thread. stop() closes everything and joins; safe to call twice, but not on the
  /// server's own thread.
  virtual void start() = 0;
  virtual void stop() = 0;

  /// Runs `work` soon on the server's thread. From any thread; never blocks.
  virtual void post(std::function<void()> work) = 0;
  /// What the server's thread runs, for other work of that thread.
  virtual boost::asio::io_context& context() = 0;
  /// Runs `work` on the server's thread at `delay` from now. Server's thread only. The returned
  /// function cancels it.
  virtual std::function<void()> after(election::Duration delay, std::function<void()> work) = 0;

  /// Takes one of limits.waiters; false if none is left. Given back when the exchange is destroyed.
  /// Server's thread only.
  virtual bool try_hold(Exchange& exchange) = 0;

  /// The address bound, with the real port.
  virtual std::string address() const = 0;
  virtual int open_connections() const = 0;  // any thread
};

}  // namespace baton::http
