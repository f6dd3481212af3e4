#include "http/session.h"

#include <exception>
#include <string_view>
#include <utility>

#include "http/wire.h"

namespace baton::http {
namespace {

constexpr std::size_t kPauseAtUnsentBytes = 65536;  // answers to a peer that does not read them
constexpr auto kLinger = std::chrono::seconds(1);

Response plain_text(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain"}}, std::move(text)};
}

}  // namespace

/// What the application holds of a request; it may outlive the session.
class Session::Asked final : public Exchange {
 public:
  Asked(Session& session, Request request, Target target)
      : Exchange(std::move(request), std::move(target), session.host_.is_unix),
        session_(&session) {}
  ~Asked() override {
    if (held_) --*held_;
    if (session_ == nullptr) return;
    session_->current_ = nullptr;
    session_->end_soon(false);
  }

  void reply(Response response) override {
    const auto dropped = std::exchange(callback_, nullptr);  // it may own this exchange
    if (session_ == nullptr || started_) return;
    append_reply(response,
                 {.head_only = session_->head_only_,
                  .keep_alive = session_->keep_alive_,
                  .say_keep_alive = session_->is_http_1_0_},
                 session_->out_);
    std::exchange(session_, nullptr)->finish_exchange();
  }

  void start_stream(Response head) override {
    if (session_ == nullptr || std::exchange(started_, true)) return;
    Session& session = *session_;
    if (session.is_http_1_0_) session.keep_alive_ = false;
    append_reply(head,
                 {.framing = session.is_http_1_0_ ? BodyFraming::until_close : BodyFraming::chunked,
                  .keep_alive = session.keep_alive_},
                 session.out_);
    session.phase_ = Phase::streaming;
    // A stream's peer may be slow; its backlog is bounded instead.
    session.write_deadline_ = kNever;
    if (!session.in_process_) session.flush();
  }

  void write(std::string chunk) override {
    if (session_ == nullptr || !started_ || session_->head_only_) return;
    if (session_->is_http_1_0_) {
      session_->out_ += chunk;
    } else {
      append_chunk(chunk, session_->out_);
    }
    if (!session_->in_process_) session_->flush();
    if (session_->unsent() > session_->host_.limits.stream_backlog_bytes) {
      session_->end_soon(false);
    }
  }

  void close() override {
    const auto dropped = std::exchange(callback_, nullptr);
    if (session_ == nullptr || !started_) return;
    if (!session_->is_http_1_0_ && !session_->head_only_) session_->out_ += kLastChunk;
    std::exchange(session_, nullptr)->finish_exchange();
  }

  void on_closed(std::function<void()> callback) override {
    if (was_ended_) return callback();
    if (session_ != nullptr) callback_ = std::move(callback);
  }
  bool closed_by_peer() const override { return closed_by_peer_; }

  /// The session ends without the answer, or in the middle of it.
  void ended(bool by_peer) {
    session_ = nullptr;
    closed_by_peer_ = by_peer;
    was_ended_ = true;
    if (const auto callback = std::exchange(callback_, nullptr)) callback();
  }

 private:
  friend bool Session::try_hold(SessionHost& host, Exchange& exchange);

  Session* session_;  // null once answered or ended: no session ends without telling its exchange
  bool started_ = false;
  bool closed_by_peer_ = false;
  bool was_ended_ = false;
  std::function<void()> callback_;
  std::shared_ptr<int> held_;
};

bool Session::try_hold(SessionHost& host, Exchange& exchange) {
  std::shared_ptr<int>& held = static_cast<Asked&>(exchange).held_;
  if (held) return true;
  if (*host.held >= host.limits.waiters) return false;
  held = host.held;
  ++*held;
  return true;
}

void Session::start(SessionHost& host, Stream::Socket socket, asio::ssl::context* tls) {
  const auto session = std::make_shared<Session>(host, std::move(socket));
  session->place_ = host.sessions.insert(host.sessions.end(), session);
  ++host.open;
  session->deadline_ = boot_now() + host.limits.request_timeout;
  if (tls == nullptr) return session->on_handshake({});
  session->stream_.tls.emplace(session->stream_.socket, *tls);
  session->stream_.tls->async_handshake(
      asio::ssl::stream_base::server,
      [session](const error_code& error) { session->on_handshake(error); });
}

void Session::on_handshake(const error_code& error) {
  if (phase_ == Phase::closed) return;
  if (error) return end(true);
  become_idle();
  read();
}

void Session::read() {
  if (reading_ || peer_finished_ || phase_ == Phase::closed) return;
  reading_ = true;
  stream_.async_read_some(asio::buffer(space_),
                          [self = shared_from_this()](const error_code& error, std::size_t size) {
                            self->on_read(error, size);
                          });
}

void Session::on_read(const error_code& error, std::size_t size) {
  reading_ = false;
  if (phase_ == Phase::closed) return;
  peer_finished_ = error == asio::error::eof;
  if (error && !peer_finished_) return end(true);
  if (phase_ != Phase::lingering) in_.append(space_.data(), size);
  process();
}

void Session::process() {
  if (in_process_ || doomed_ || phase_ == Phase::closed) return;
  in_process_ = true;
  while (!last_ && !doomed_ && (phase_ == Phase::idle || phase_ == Phase::receiving) &&
         unsent() < kPauseAtUnsentBytes && parse_one()) {
  }
  in_process_ = false;
  if (peer_finished_ && unsent() < kPauseAtUnsentBytes) {
    // What came complete before the end is answered; a held request has lost its asker.
    if (holds() || phase_ == Phase::lingering) return end(true);
    last_ = true;
  }
  flush();
  const bool is_full = in_.size() > host_.limits.header_bytes + host_.limits.body_bytes;
  if (is_full && holds()) return end_soon(false);
  if (!is_full) read();
}

/// True if a whole request was taken from in_.
bool Session::parse_one() {
  if (in_.empty()) return false;
  if (phase_ == Phase::idle) {
    phase_ = Phase::receiving;
    deadline_ = boot_now() + host_.limits.request_timeout;
    parser_.emplace(ParserLimits{host_.limits.header_bytes, host_.limits.body_bytes});
  }
  const Parsed parsed = parser_->feed(in_);
  if (parsed == Parsed::done) {
    dispatch();
  } else if (parsed != Parsed::more) {
    refuse(static_cast<int>(parsed));
  } else if (parser_->is_header_done() && std::exchange(parser_->expects_continue, false)) {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  return parsed == Parsed::done;
}

void Session::dispatch() {
  keep_alive_ = parser_->keep_alive();
  is_http_1_0_ = parser_->version < 11;
  Target target = parse_target(parser_->target);
  if (!target.ok) return refuse(400);
  phase_ = Phase::answering;
  deadline_ = kNever;
  head_only_ = parser_->method == "HEAD";
  const auto exchange =
      std::make_shared<Asked>(*this,
                              Request{std::move(parser_->method), std::move(parser_->target),
                                      std::move(parser_->headers), std::move(parser_->body)},
                              std::move(target));
  parser_.reset();
  current_ = exchange.get();
  try {
    host_.handler(exchange);
  } catch (const std::exception&) {
    if (current_ != exchange.get()) return;
    if (phase_ == Phase::streaming) return end_soon(false);
    keep_alive_ = false;
    exchange->reply(plain_text(500, "internal error\n"));
  }
}

/// Answers a request that never reaches the handler; where the next one would begin is unknown.
void Session::refuse(int status) {
  append_reply(plain_text(status, std::string(reason_phrase(status)) + "\n"), {.keep_alive = false},
               out_);
  last_ = true;
  parser_.reset();
  become_idle();
}

void Session::finish_exchange() {
  current_ = nullptr;
  if (!keep_alive_) last_ = true;
  become_idle();
  if (in_process_) return;
  flush();
  // Posted: the next request's handler must not run inside the caller of reply().
  if (!in_.empty() || peer_finished_) {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->process(); });
  }
}

void Session::become_idle() {
  phase_ = Phase::idle;
  deadline_ = boot_now() + host_.limits.idle_timeout;
  host_.sessions.splice(host_.sessions.end(), host_.sessions, place_);
}

void Session::flush() {
  if (writing_ || doomed_ || phase_ == Phase::closed) return;
  if (!out_.empty()) {
    sending_.swap(out_);
    write_on();
  }
  if (last_ && unsent() == 0 && phase_ != Phase::lingering) linger();
}

/// At once as far as a plain socket takes it, the rest when it can.
void Session::write_on() {
  const auto rest = [this] { return asio::buffer(std::as_const(sending_)) + sent_; };
  error_code error;
  if (!stream_.tls) sent_ += stream_.socket.write_some(rest(), error);
  if (error && error != asio::error::would_block) return end_soon(true);
  if (sent_ == sending_.size()) {
    sending_.clear();
    if (phase_ == Phase::streaming) sending_.shrink_to_fit();  // it may be long until the next
    sent_ = 0;
    write_deadline_ = kNever;
    return;
  }
  writing_ = true;
  if (phase_ != Phase::streaming) {
    write_deadline_ = boot_now() + host_.limits.request_timeout;
  }
  stream_.async_write_some(
      rest(), [self = shared_from_this()](const error_code& failure, std::size_t size) {
        self->writing_ = false;
        if (self->phase_ == Phase::closed) return;
        if (failure) return self->end(true);
        self->sent_ += size;
        self->write_on();
        if (!self->writing_) self->process();
      });
}

/// Closing with unread input would reset the connection and take the answer with it: say that no
/// more comes and read on for a while.
void Session::linger() {
  error_code ignored;
  stream_.socket.shutdown(Stream::Socket::shutdown_send, ignored);
  if (peer_finished_) return end_soon(true);
  phase_ = Phase::lingering;
  deadline_ = boot_now() + kLinger;
  in_.clear();
  read();
}

void Session::expire() {
  if (phase_ != Phase::receiving || writing_) return end(false);
  refuse(408);
  flush();
}

/// For callers inside the application's own calls: on_closed must not run within them.
void Session::end_soon(bool by_peer) {
  if (std::exchange(doomed_, true)) return;
  asio::post(stream_.get_executor(), [self = shared_from_this(), by_peer] { self->end(by_peer); });
}

void Session::end(bool by_peer) {
  if (phase_ == Phase::closed) return;
  const auto self = shared_from_this();
  phase_ = Phase::closed;
  error_code ignored;
  stream_.socket.close(ignored);
  host_.sessions.erase(place_);
  --host_.open;
  if (Asked* exchange = std::exchange(current_, nullptr)) exchange->ended(by_peer);
}

}  // namespace baton::http
