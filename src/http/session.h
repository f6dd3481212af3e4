// One connection of the server: requests in, answers out in their order, limits and deadlines.
// Server's thread only.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "http/parser.h"
#include "http/server.h"
#include "http/stream.h"

namespace baton::http {

class Session;
using Sessions = std::list<std::shared_ptr<Session>>;

/// What the sessions of one listener share.
struct SessionHost {
  ServerLimits limits;
  Handler handler;
  bool is_unix = false;
  Sessions sessions;  // the one that became idle last at the end
  std::atomic<int> open = 0;
  std::shared_ptr<int> held = std::make_shared<int>(0);  // an exchange may outlive the server
};

/// A read is always pending while an answer is awaited or streamed, so that the peer's end is seen
/// at once.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  Session(SessionHost& host, Stream::Socket socket) : host_(host), stream_(std::move(socket)) {}
  /// Adds a session to the host's list and starts it. `tls` null: plain.
  static void start(SessionHost& host, Stream::Socket socket, asio::ssl::context* tls);

  /// Whom a newcomer over the limit may replace: the lowest first, kStays never.
  static constexpr int kStays = 2;
  int eviction_rank() const { return holds() ? kStays : phase_ == Phase::receiving ? 1 : 0; }
  bool is_late(Instant now) const { return deadline_ <= now || write_deadline_ <= now; }
  void expire();
  void end(bool by_peer);

  /// Counts the exchange in host.held until it is destroyed; false if limits.waiters are already.
  static bool try_hold(SessionHost& host, Exchange& exchange);

 private:
  class Asked;  // the exchange
  enum class Phase { handshake, idle, receiving, answering, streaming, lingering, closed };

  void on_handshake(const error_code& error);
  void read();
  void on_read(const error_code& error, std::size_t size);
  void process();
  bool parse_one();
  void dispatch();
  void refuse(int status);
  void finish_exchange();
  void become_idle();
  void flush();
  void write_on();
  void linger();
  void end_soon(bool by_peer);
  bool holds() const { return phase_ == Phase::answering || phase_ == Phase::streaming; }
  std::size_t unsent() const { return out_.size() + sending_.size() - sent_; }

  SessionHost& host_;
  Stream stream_;
  Sessions::iterator place_;
  Phase phase_ = Phase::handshake;
  Instant deadline_ = kNever;
  Instant write_deadline_ = kNever;

  std::array<char, 1024> space_;  // small: one for each of many connections that are mostly idle
  std::string in_;                // not yet parsed
  bool reading_ = false;
  bool peer_finished_ = false;
  std::optional<Parser<true>> parser_;
  bool in_process_ = false;

  Asked* current_ = nullptr;  // waits for reply() or streams
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool is_http_1_0_ = false;

  std::string out_;      // to be written after
  std::string sending_;  // this, of which sent_ bytes are
  std::size_t sent_ = 0;
  bool writing_ = false;
  bool last_ = false;    // close once all is written
  bool doomed_ = false;  // end() is posted
};

}  // namespace baton::http
