#include "api/waiters.h"

#include <algorithm>

namespace baton::api {
namespace {

/// Proxies and clients commonly give a silent connection up after 30 s or more.
constexpr Duration kHeartbeat = std::chrono::seconds(15);

}  // namespace

void Waiters::hold(const std::shared_ptr<http::Exchange>& exchange, Duration limit,
                   Condition condition, Answer answer) {
  const Instant now = now_();
  const StatusView view = board_->read();
  if (condition(view, now)) return exchange->reply(answer(End::met));
  if (!server_->try_hold(*exchange)) return exchange->reply(answer(End::no_place));
  const auto waiter =
      std::make_shared<Waiter>(Waiter{exchange, std::move(condition), std::move(answer), nullptr});
  waiters_.push_back(waiter);
  const std::weak_ptr<Waiters> self = weak_from_this();
  const std::weak_ptr<Waiter> weak = waiter;
  waiter->cancel_limit = server_->after(limit, [self, weak] {
    const auto waiters = self.lock();
    const auto late = weak.lock();
    if (waiters && late) waiters->finish(late, End::timed_out);
  });
  exchange->on_closed([self, weak] {
    const auto waiters = self.lock();
    const auto gone = weak.lock();
    if (!waiters || !gone) return;
    gone->cancel_limit();
    std::erase(waiters->waiters_, gone);
  });
  arm_deadline(view, now);
}

void Waiters::finish(const std::shared_ptr<Waiter>& waiter, End end) {
  if (std::erase(waiters_, waiter) == 0) return;
  waiter->cancel_limit();
  waiter->exchange->reply(waiter->answer(end));
}

void Waiters::stream(const std::shared_ptr<http::Exchange>& exchange,
                     std::function<void(bool by_peer)> ended) {
  exchange->start_stream(
      {200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}, ""});
  const auto stream = std::make_shared<Stream>(Stream{exchange, "", kLongAgo});
  streams_.push_back(stream);
  const std::weak_ptr<Waiters> self = weak_from_this();
  const std::weak_ptr<Stream> weak = stream;
  exchange->on_closed([self, weak, ended = std::move(ended)] {
    const auto gone = weak.lock();
    const auto waiters = self.lock();
    const bool by_peer = gone && gone->exchange->closed_by_peer();
    if (waiters && gone) std::erase(waiters->streams_, gone);
    ended(by_peer);
  });
  send(*stream);
  arm_deadline(board_->read(), now_());
  arm_heartbeat();
}

void Waiters::send(Stream& stream) {
  const Instant now = now_();
  const StatusView view = board_->read_for_answer(now);
  stream.revision = document_->revision(view, now);
  stream.deadline = view.leads(now) ? view.status.deadline : kLongAgo;
  // The document ends with a newline; an empty line ends the event.
  stream.exchange->write("id: " + stream.revision + "\ndata: " + document_->text(view, now) + "\n");
}

void Waiters::look() {
  const Instant now = now_();
  const StatusView view = board_->read();
  const std::string revision = document_->revision(view, now);
  const Instant deadline = view.leads(now) ? view.status.deadline : kLongAgo;
  // Copies: an answer may end its connection, and its end takes it off the list.
  for (const auto& waiter : std::vector(waiters_)) {
    if (waiter->condition(view, now)) finish(waiter, End::met);
  }
  for (const auto& stream : std::vector(streams_)) {
    if (stream->revision != revision || stream->deadline != deadline) send(*stream);
  }
  arm_deadline(view, now);
}

/// A belief that lapses is a change that nobody publishes if the election's thread is late.
void Waiters::arm_deadline(const StatusView& view, Instant now) {
  if (cancel_deadline_) std::exchange(cancel_deadline_, nullptr)();
  if (!view.leads(now) || (waiters_.empty() && streams_.empty())) return;
  cancel_deadline_ = server_->after(view.status.deadline - now, [self = weak_from_this()] {
    const auto waiters = self.lock();
    if (!waiters) return;
    waiters->cancel_deadline_ = nullptr;
    waiters->look();
  });
}

void Waiters::arm_heartbeat() {
  if (is_heartbeat_armed_ || streams_.empty()) return;
  is_heartbeat_armed_ = true;
  server_->after(kHeartbeat, [self = weak_from_this()] {
    const auto waiters = self.lock();
    if (!waiters) return;
    waiters->is_heartbeat_armed_ = false;
    for (const auto& stream : std::vector(waiters->streams_)) stream->exchange->write(":\n\n");
    waiters->arm_heartbeat();
  });
}

}  // namespace baton::api
