#include "api/waiters.h"

#include <iterator>

#include "base/text.h"

namespace baton::api {
namespace {

/// Proxies and clients commonly give a silent connection up after 30 s or more.
constexpr Duration kHeartbeat = std::chrono::seconds(15);

/// The deadline that an event carries; kLongAgo for an answer of no.
Instant deadline_shown(const StatusView& view, Instant now) {
  return view.leads(now) ? view.status.deadline : kLongAgo;
}

}  // namespace

void Waiters::hold(const std::shared_ptr<http::Exchange>& exchange, Duration limit,
                   Condition condition, Answer answer) {
  const Instant now = context_.now();
  const StatusView view = context_.board->read();
  if (condition(view, now)) return exchange->reply(answer(End::met));
  if (!server_->try_hold(*exchange)) return exchange->reply(answer(End::no_place));
  const auto waiter = waiters_.insert(
      waiters_.end(), Waiter{exchange, std::move(condition), std::move(answer), nullptr});
  waiter->cancel_limit = server_->after(limit, [this, waiter] { finish(waiter, End::timed_out); });
  arm_deadline(view, now);
  exchange->on_closed([this, waiter] {
    waiter->cancel_limit();
    waiters_.erase(waiter);
  });
}

void Waiters::finish(std::list<Waiter>::iterator waiter, End end) {
  const Waiter done = std::move(*waiter);
  waiters_.erase(waiter);
  done.cancel_limit();
  done.exchange->reply(done.answer(end));
}

void Waiters::stream(const std::shared_ptr<http::Exchange>& exchange, Audience audience,
                     std::function<void(bool by_peer)> ended) {
  http::Response head = uncached(200, "text/event-stream", "");
  exchange->start_stream(std::move(head));
  const auto stream = streams_.insert(streams_.end(), Stream{exchange, audience, "", kLongAgo});
  audience == Audience::people ? tick(stream) : send(*stream);
  arm_deadline(context_.board->read(), context_.now());
  arm_heartbeat();
  exchange->on_closed([this, stream, ended = std::move(ended)] {
    const bool by_peer = stream->exchange->closed_by_peer();
    stream->cancel_tick();
    streams_.erase(stream);
    ended(by_peer);
  });
}

void Waiters::send(Stream& stream) {
  const Instant now = context_.now();
  const bool for_people = stream.audience == Audience::people;
  const StatusView view =
      for_people ? context_.board->read() : context_.board->read_for_answer(now);
  stream.revision = document_.revision(view, now);
  stream.deadline = deadline_shown(view, now);
  std::string text = document_.text(view, now);
  if (for_people) text = "{\"shown\":" + std::string(trim(text)) + "}\n";
  // The document ends with a newline; an empty line ends the event.
  stream.exchange->write("id: " + stream.revision + "\ndata: " + text + "\n");
}

void Waiters::tick(std::list<Stream>::iterator stream) {
  send(*stream);
  stream->cancel_tick = server_->after(kTick, [this, stream] { tick(stream); });
}

void Waiters::look() {
  const Instant now = context_.now();
  const StatusView view = context_.board->read();
  const std::string revision = document_.revision(view, now);
  for (auto next = waiters_.begin(); next != waiters_.end();) {
    const auto waiter = next++;
    if (waiter->condition(view, now)) finish(waiter, End::met);
  }
  for (Stream& stream : streams_) {
    if (stream.revision != revision || stream.deadline != deadline_shown(view, now)) send(stream);
  }
  arm_deadline(view, now);
}

/// A belief that lapses is a change that nobody publishes if the election's thread is late.
void Waiters::arm_deadline(const StatusView& view, Instant now) {
  cancel_deadline_();
  if (!view.leads(now) || (waiters_.empty() && streams_.empty())) return;
  cancel_deadline_ = server_->after(view.status.deadline - now, [this] { look(); });
}

void Waiters::arm_heartbeat() {
  if (is_heartbeat_armed_ || streams_.empty()) return;
  is_heartbeat_armed_ = true;
  server_->after(kHeartbeat, [this] {
    is_heartbeat_armed_ = false;
    for (const Stream& stream : streams_) stream.exchange->write(":\n\n");
    arm_heartbeat();
  });
}

}  // namespace baton::api
