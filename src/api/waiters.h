// Those who are answered later: long polls, resigns that wait for the release, event streams. On
// the thread of one server, which is stopped before this is destroyed.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "api/api.h"
#include "api/document.h"

namespace baton::api {

class Waiters {
 public:
  Waiters(const Context& context, StatusDocument& document)
      : context_(context), document_(document) {}
  void attach(http::Server& server) { server_ = &server; }

  enum class End { met, timed_out, no_place };
  using Condition = std::function<bool(const StatusView&, Instant)>;
  using Answer = std::function<http::Response(End)>;  // called once
  /// Answers when `condition` holds, at once if it does already; after `limit`; or at once if the
  /// server has no place for one more who waits.
  void hold(const std::shared_ptr<http::Exchange>& exchange, Duration limit, Condition condition,
            Answer answer);

  /// What an application is told counts as handed out (section 5 e). People act on no validity:
  /// they are told {"shown":DOCUMENT}, in which nobody who looks for an answer finds one, and at
  /// least every kTick, since a browser's script hears no comments.
  enum class Audience { application, people };
  static constexpr Duration kTick = std::chrono::milliseconds(500);

  /// Sends the document as server-sent events until the connection ends, then calls `ended`. The
  /// server holds a place for the exchange.
  void stream(const std::shared_ptr<http::Exchange>& exchange, Audience audience,
              std::function<void(bool by_peer)> ended);

  /// Answers and tells all whose turn it is.
  void look();

 private:
  // Whatever takes one off its list also ends what refers to it: its timer and its exchange's
  // on_closed(). Answering one takes no other off (the server posts what ends a connection).
  struct Waiter {
    std::shared_ptr<http::Exchange> exchange;
    Condition condition;
    Answer answer;
    std::function<void()> cancel_limit;
  };
  struct Stream {
    std::shared_ptr<http::Exchange> exchange;
    Audience audience;
    std::string revision;
    Instant deadline = kLongAgo;
    std::function<void()> cancel_tick = [] {};
  };

  void finish(std::list<Waiter>::iterator waiter, End end);
  void send(Stream& stream);
  void tick(std::list<Stream>::iterator stream);
  void arm_deadline(const StatusView& view, Instant now);
  void arm_heartbeat();

  const Context& context_;
  StatusDocument& document_;
  http::Server* server_ = nullptr;
  std::list<Waiter> waiters_;
  std::list<Stream> streams_;
  std::function<void()> cancel_deadline_ = [] {};
  bool is_heartbeat_armed_ = false;
};

}  // namespace baton::api
