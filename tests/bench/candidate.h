// A candidate without its threads, sockets and clock: the bytes that it would send to an API server
// and what it makes of the answers, in logical time. Core, codec, the HTTP client's format and
// parser and the status board are those that ship. And an API server of one Lease that answers it.
#pragma once

#include <memory>
#include <string>

#include "api/status_board.h"
#include "election/election.h"
#include "http/answer.h"

namespace baton::bench {

/// Answers in text, with the fields and headers of a real one.
class Server {
 public:
  /// The whole answer to a LIST or a PUT; every PUT is stored.
  std::string answer(const std::string& request);
  /// The newest version as a chunk of a watch's body.
  std::string event() const;

 private:
  std::string lease_;  // JSON, "" : there is none
  // As many digits at the end of a million writes as at their start.
  election::Revision revision_ = 500'000'000;
};

class Candidate {
 public:
  explicit Candidate(const std::string& pod);

  // Each returns the request that goes out now, "" if none does.
  std::string wake(Instant now);
  std::string answered(std::string_view reply, Instant now);
  std::string watched(std::string_view chunk, Instant now);

  Instant wake_at() const { return wake_at_; }
  const std::shared_ptr<api::StatusBoard>& board() const { return board_; }

 private:
  std::string step(const election::Event& event, Instant now);

  election::Election election_;
  Instant wake_at_ = kLongAgo;
  std::shared_ptr<api::StatusBoard> board_ = std::make_shared<api::StatusBoard>();
  election::RequestId request_ = 0;
  bool is_write_ = false;
  election::WatchId watch_ = 0;
  http::Answer answer_{"server", {}}, watch_answer_{"server", {}};
};

/// Wakes `candidate` and answers it until it asks nothing more.
void take_turn(Candidate& candidate, Server& server, Instant now);

/// A term that is led and one that follows it, renewed every five seconds.
class Term {
 public:
  Term();
  /// The steps of one renewal, to be taken in this order.
  std::string ask();
  std::string answer(const std::string& request) { return server_.answer(request); }
  void answered(const std::string& reply);
  std::string event() const { return server_.event(); }
  void leader_watched(const std::string& event);
  void follower_watched(const std::string& event);

  const Candidate& leader() const { return leader_; }
  Instant now() const { return now_; }

 private:
  // As many digits in nanoseconds after a million renewals as at the start.
  Instant now_{std::chrono::hours(24 * 365)};
  Server server_;
  Candidate leader_{"worker-7d9c5b6f4-x2x7q"}, follower_{"worker-7d9c5b6f4-k8m4z"};
};

}  // namespace baton::bench
