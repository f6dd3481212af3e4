// Leads a Service's traffic to this Pod while it leads (design section 4), on a thread of its own:
// it makes the routes match what the status board shows, and tries again after a pause. The renew
// path never waits for it. A release waits until the traffic is taken away, for a bounded time;
// what moves in one write is left for the next leader first, and taken away if none has come.
// What came of it is told, for the status document.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/status_board.h"
#include "api/traffic_board.h"
#include "election/options.h"
#include "kube/route.h"

namespace baton::runtime {

class Traffic {
 public:
  /// `failed` counts a failure, `told` shows what is so now; both on this object's thread.
  using Failed = std::function<void(const std::string& route, election::FailureKind kind)>;
  using Told = std::function<void(const api::TrafficState& state)>;

  Traffic(std::vector<std::unique_ptr<kube::Route>> routes,
          std::shared_ptr<const api::StatusBoard> board, const election::Timings& timings,
          Failed failed, Told told);
  ~Traffic() { stop(); }

  /// Begins, with taking away what the process before this one may have left.
  void start();
  /// The board shows a change. Any thread; never blocks.
  void changed();
  /// Before a release: returns when no route leads here any more but those that move in one write,
  /// when that is refused, or after the request timeout: whichever is first. Any thread but the
  /// election's.
  void wait_until_withdrawn();
  /// Ends the thread once no route leads here, or none does so for want of time: what is left for
  /// the next leader has kLeftForTheNext, and its withdrawal the request timeout.
  void stop();

 private:
  struct Led {
    std::unique_ptr<kube::Route> route;
    std::optional<election::Token> shown;  // 0: withdrawn; empty: not known
    bool is_refused = false;               // the last withdrawal, by the API server
    std::string why;                       // the last attempt failed
  };

  void run();
  /// The token of the term that traffic is to be led here for, 0 if none.
  election::Token wanted() const;
  /// Makes the routes lead here for `token`, or nowhere near for 0; looks again at those that do so
  /// if all do. True if it is done.
  bool settle_all(election::Token token, bool leaves);
  bool settle(Led& led, election::Token token);
  api::TrafficState state() const;

  const std::shared_ptr<const api::StatusBoard> board_;
  const election::Timings timings_;
  const Failed failed_;
  const Told told_;
  std::vector<Led> routes_;  // thread_'s only

  std::mutex mutex_;  // protects what follows, up to the thread
  std::condition_variable wake_, withdrawn_;
  bool has_changed_ = true;
  bool holds_release_ = false;  // a release has something to wait for
  bool is_led_ = false;         // the end has
  bool stopping_ = false;
  std::thread thread_;  // none without routes
};

}  // namespace baton::runtime
