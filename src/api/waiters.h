// Those who are answered later: long polls, resigns that wait for the release, event streams. On
// the thread of one server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/api.h"
#include "api/document.h"

namespace baton::api {

class Waiters : public std::enable_shared_from_this<Waiters> {
 public:
  Waiters(std::shared_ptr<StatusBoard> board, std::function<Instant()> now,
          std::shared_ptr<const StatusDocument> document)
      : board_(std::move(board)), now_(std::move(now)), document_(std::move(document)) {}
  void attach(http::Server& server) { server_ = &server; }

  enum class End { met, timed_out, no_place };
  using Condition = std::function<bool(const StatusView&, Instant)>;
  using Answer = std::function<http::Response(End)>;  // called once
  /// Answers when `condition` holds, at once if it does already; after `limit`; or at once if the
  /// server has no place for one more who waits.
  void hold(const std::shared_ptr<http::Exchange>& exchange, Duration limit, Condition condition,
            Answer answer);

  /// Sends the document as server-sent events until the connection ends, then calls `ended`. The
  /// server holds a place for the exchange.
  void stream(const std::shared_ptr<http::Exchange>& exchange,
              std::function<void(bool by_peer)> ended);

  /// Answers and tells all whose turn it is.
  void look();

 private:
  struct Waiter {
    std::shared_ptr<http::Exchange> exchange;
    Condition condition;
    Answer answer;
    std::function<void()> cancel_limit;
  };
  struct Stream {
    std::shared_ptr<http::Exchange> exchange;
    std::string revision;
    Instant deadline = kLongAgo;
  };

  void finish(const std::shared_ptr<Waiter>& waiter, End end);
  void send(Stream& stream);
  void arm_deadline(const StatusView& view, Instant now);
  void arm_heartbeat();

  const std::shared_ptr<StatusBoard> board_;
  const std::function<Instant()> now_;
  const std::shared_ptr<const StatusDocument> document_;
  http::Server* server_ = nullptr;
  std::vector<std::shared_ptr<Waiter>> waiters_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::function<void()> cancel_deadline_;
  bool is_heartbeat_armed_ = false;
};

}  // namespace baton::api
