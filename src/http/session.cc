#include "http/session.h"

#include <exception>
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

void Session::start(SessionHost& host, std::unique_ptr<Transport> transport) {
  const auto session = std::make_shared<Session>(host, std::move(transport));
  session->place_ = host.sessions.insert(host.sessions.end(), session);
  ++host.open;
  session->deadline_ = boot_now() + host.limits.request_timeout;
  session->transport_->handshake(session);
}

void Session::on_handshake(bool ok) {
  if (phase_ == Phase::closed) return;
  if (!ok) return end(true);
  become_idle();
  read();
}

void Session::read() {
  if (reading_ || peer_finished_ || phase_ == Phase::closed) return;
  reading_ = true;
  transport_->read(shared_from_this(), space_.data(), space_.size());
}

void Session::on_read(Input input, std::size_t size) {
  reading_ = false;
  if (phase_ == Phase::closed) return;
  if (input == Input::broken) return end(true);
  peer_finished_ = input == Input::end;
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
    parser_ = MessageParser::of_request({host_.limits.header_bytes, host_.limits.body_bytes});
  }
  std::size_t used = 0;
  const Parsed parsed = parser_->feed(in_, used);
  in_.erase(0, used);
  switch (parsed) {
    case Parsed::done:
      dispatch();
      return true;
    case Parsed::more:
      if (parser_->is_head_done() && std::exchange(parser_->expects_continue, false)) {
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
      }
      break;
    case Parsed::head_too_large:
      refuse(431);
      break;
    case Parsed::body_too_large:
      refuse(413);
      break;
    case Parsed::malformed:
      refuse(400);
      break;
  }
  return false;
}

void Session::dispatch() {
  keep_alive_ = parser_->keeps_alive();
  is_http_1_0_ = parser_->is_http_1_0();
  Target target = parse_target(parser_->target);
  if (!target.ok) return refuse(400);
  phase_ = Phase::answering;
  deadline_ = kNever;
  head_only_ = parser_->method == "HEAD";
  const auto exchange =
      std::make_shared<ExchangeImpl>(weak_from_this(),
                                     Request{std::move(parser_->method), std::move(parser_->target),
                                             std::move(parser_->headers), std::move(parser_->body)},
                                     std::move(target), host_.is_unix);
  parser_.reset();
  current_ = exchange.get();
  try {
    host_.handler(exchange);
  } catch (const std::exception&) {
    if (!awaits(exchange.get())) return;
    if (phase_ == Phase::streaming) return end_soon(false);
    keep_alive_ = false;
    reply(plain_text(500, "internal error\n"));
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

void Session::reply(const Response& response) {
  append_reply(response,
               {.head_only = head_only_, .keep_alive = keep_alive_, .say_keep_alive = is_http_1_0_},
               out_);
  finish_exchange();
}

void Session::start_stream(const Response& head) {
  if (is_http_1_0_) keep_alive_ = false;
  append_reply(head,
               {.framing = is_http_1_0_ ? BodyFraming::until_close : BodyFraming::chunked,
                .keep_alive = keep_alive_},
               out_);
  phase_ = Phase::streaming;
  write_deadline_ = kNever;  // a stream's peer may be slow; its backlog is bounded instead
  if (!in_process_) flush();
}

void Session::write(std::string_view chunk) {
  if (head_only_) return;
  if (is_http_1_0_) {
    out_ += chunk;
  } else {
    append_chunk(chunk, out_);
  }
  if (!in_process_) flush();
  if (unsent() > host_.limits.stream_backlog_bytes) end_soon(false);
}

void Session::finish_stream() {
  if (!is_http_1_0_ && !head_only_) out_ += kLastChunk;
  finish_exchange();
}

/// The exchange was let go.
void Session::abandon() {
  current_ = nullptr;
  end_soon(false);
}

void Session::finish_exchange() {
  current_ = nullptr;
  if (!keep_alive_) last_ = true;
  become_idle();
  if (in_process_) return;
  flush();
  // Posted: the next request's handler must not run inside the caller of reply().
  if (!in_.empty() || peer_finished_) {
    post([self = shared_from_this()] { self->process(); });
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

/// At once as far as the socket takes it, the rest when it can.
void Session::write_on() {
  std::size_t taken = 0;
  if (!transport_->write_now(std::string_view(sending_).substr(sent_), taken)) {
    return end_soon(true);
  }
  sent_ += taken;
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    write_deadline_ = kNever;
    return;
  }
  writing_ = true;
  if (phase_ != Phase::streaming) {
    write_deadline_ = boot_now() + host_.limits.request_timeout;
  }
  transport_->write(shared_from_this(), std::string_view(sending_).substr(sent_));
}

void Session::on_written(bool ok, std::size_t size) {
  writing_ = false;
  if (phase_ == Phase::closed) return;
  if (!ok) return end(true);
  sent_ += size;
  write_on();
  if (!writing_) process();
}

/// Closing with unread input would reset the connection and take the answer with it: say that no
/// more comes and read on for a while.
void Session::linger() {
  transport_->end_output();
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
  post([self = shared_from_this(), by_peer] { self->end(by_peer); });
}

void Session::end(bool by_peer) {
  if (phase_ == Phase::closed) return;
  const auto self = shared_from_this();
  phase_ = Phase::closed;
  transport_->close();
  host_.sessions.erase(place_);
  --host_.open;
  if (ExchangeImpl* exchange = std::exchange(current_, nullptr)) exchange->ended(by_peer);
}

ExchangeImpl::~ExchangeImpl() {
  if (held_) --*held_;
  if (const auto waiting = session()) waiting->abandon();
}

std::shared_ptr<Session> ExchangeImpl::session() const {
  auto session = session_.lock();
  return session && session->awaits(this) ? session : nullptr;
}

void ExchangeImpl::reply(Response response) {
  const auto dropped = std::exchange(callback_, nullptr);  // it may own this exchange
  const auto waiting = session();
  if (waiting && !started_) waiting->reply(response);
}

void ExchangeImpl::start_stream(Response head) {
  const auto waiting = session();
  if (waiting && !std::exchange(started_, true)) waiting->start_stream(head);
}

void ExchangeImpl::write(std::string chunk) {
  if (const auto waiting = session(); waiting && started_) waiting->write(chunk);
}

void ExchangeImpl::close() {
  const auto dropped = std::exchange(callback_, nullptr);
  if (const auto waiting = session(); waiting && started_) waiting->finish_stream();
}

void ExchangeImpl::on_closed(std::function<void()> callback) {
  if (was_ended_) return callback();
  callback_ = std::move(callback);
}

bool ExchangeImpl::hold(const std::shared_ptr<int>& held, int limit) {
  if (held_) return true;
  if (*held >= limit) return false;
  held_ = held;
  ++*held_;
  return true;
}

void ExchangeImpl::ended(bool by_peer) {
  closed_by_peer_ = by_peer;
  was_ended_ = true;
  if (const auto callback = std::exchange(callback_, nullptr)) callback();
}

}  // namespace baton::http
