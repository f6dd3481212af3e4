// One connection of the server: requests in, answers out in their order, limits and deadlines.
// Knows neither sockets nor threads: a Transport moves the bytes. Server's thread only.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/parser.h"
#include "http/server.h"

namespace baton::http {

class Session;
class ExchangeImpl;
using Sessions = std::list<std::shared_ptr<Session>>;

/// A connected socket or TLS stream. Operations end by calling the session back, later.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Ends in Session::on_handshake(); at once for plain connections.
  virtual void handshake(std::shared_ptr<Session> session) = 0;
  /// Ends in Session::on_read().
  virtual void read(std::shared_ptr<Session> session, char* space, std::size_t size) = 0;
  /// What the socket takes at once: 0 if none now. False: broken.
  virtual bool write_now(std::string_view data, std::size_t& taken) = 0;
  /// Ends in Session::on_written(). `data` stays valid until then.
  virtual void write(std::shared_ptr<Session> session, std::string_view data) = 0;
  virtual void end_output() = 0;
  virtual void close() = 0;
  virtual void post(std::function<void()> work) = 0;
};

/// What the sessions of one listener share.
struct SessionHost {
  ServerLimits limits;
  Handler handler;
  bool is_unix = false;
  Sessions sessions;  // the one that became idle last at the end
  std::atomic<int> open = 0;
};

/// A read is always pending while an answer is awaited or streamed, so that the peer's end is seen
/// at once.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  enum class Input { data, end, broken };

  Session(SessionHost& host, std::unique_ptr<Transport> transport)
      : host_(host), transport_(std::move(transport)) {}
  /// Adds a session to the host's list and starts it.
  static void start(SessionHost& host, std::unique_ptr<Transport> transport);

  /// Whom a newcomer over the limit may replace: the lowest first, kStays never.
  static constexpr int kStays = 2;
  int eviction_rank() const { return holds() ? kStays : phase_ == Phase::receiving ? 1 : 0; }
  bool is_late(Instant now) const { return deadline_ <= now || write_deadline_ <= now; }
  void expire();
  void end(bool by_peer);

  void on_handshake(bool ok);
  void on_read(Input input, std::size_t size);
  void on_written(bool ok, std::size_t size);

  // For the exchange.
  bool awaits(const ExchangeImpl* exchange) const { return current_ == exchange; }
  void reply(const Response& response);
  void start_stream(const Response& head);
  void write(std::string_view chunk);
  void finish_stream();
  void abandon();
  void post(std::function<void()> work) { transport_->post(std::move(work)); }

 private:
  enum class Phase { handshake, idle, receiving, answering, streaming, lingering, closed };

  void read();
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
  const std::unique_ptr<Transport> transport_;
  Sessions::iterator place_;
  Phase phase_ = Phase::handshake;
  Instant deadline_ = kNever;
  Instant write_deadline_ = kNever;

  std::array<char, 4096> space_;
  std::string in_;  // not yet parsed
  bool reading_ = false;
  bool peer_finished_ = false;
  std::unique_ptr<MessageParser> parser_;
  bool in_process_ = false;

  ExchangeImpl* current_ = nullptr;  // waits for reply() or streams
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

class ExchangeImpl final : public Exchange {
 public:
  ExchangeImpl(std::weak_ptr<Session> session, Request request, Target target, bool is_unix)
      : session_(std::move(session)),
        request_(std::move(request)),
        target_(std::move(target)),
        is_unix_(is_unix) {}
  ~ExchangeImpl() override;

  const Request& request() const override { return request_; }
  const Target& target() const override { return target_; }
  bool over_unix_socket() const override { return is_unix_; }
  void reply(Response response) override;
  void start_stream(Response head) override;
  void write(std::string chunk) override;
  void close() override;
  void on_closed(std::function<void()> callback) override;
  bool closed_by_peer() const override { return closed_by_peer_; }

  /// Counts itself in `held` until destroyed; false if `limit` are counted already.
  bool hold(const std::shared_ptr<int>& held, int limit);
  void ended(bool by_peer);

 private:
  std::shared_ptr<Session> session() const;  // null unless it still waits for this exchange

  const std::weak_ptr<Session> session_;  // weak: an exchange may outlive the server
  const Request request_;
  const Target target_;
  const bool is_unix_;
  bool started_ = false;
  bool closed_by_peer_ = false;
  bool was_ended_ = false;
  std::function<void()> callback_;
  std::shared_ptr<int> held_;
};

}  // namespace baton::http
