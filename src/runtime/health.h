// Asks the application's health URL once a second, on a thread of its own, and tells the election
// what the answers say (design section 4): while it is not told that the application is healthy it
// does not contend, and a leader gives way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "config/settings.h"
#include "election/event.h"
#include "http/client.h"

namespace baton::runtime {

/// What the answers so far say. Not healthy at first.
class HealthJudge {
 public:
  /// Failures in a row that end health: the kubelet's failureThreshold. As many good answers give
  /// it back, where the kubelet takes one: what falls before its third never leads, as in a crash
  /// loop.
  static constexpr int kInARow = 3;

  /// Takes an answer, "" for a good one, and returns what is news: "" if it is healthy from now on,
  /// else why not, also where another failure lasts (it is told in an Event). The very first answer
  /// decides alone if it is good: then only the sidecar has just been started, and its Pod may have
  /// a term to go on with (R19).
  std::optional<std::string> hear(const std::string& failure);
  bool is_healthy() const { return is_healthy_; }

 private:
  bool is_healthy_ = false;
  int against_ = 0;  // answers in a row that contradict the verdict
  std::optional<std::string> last_;
  int alike_ = 0;     // answers in a row like the last
  std::string told_;  // "": nothing yet, or healthy
};

class HealthGate {
 public:
  /// From the beginning of one request to that of the next: the shortest period of a kubelet's
  /// probe. A dead application's leader gives way after two of them, a hanging one's after three.
  static constexpr Duration kPeriod = std::chrono::seconds(1);

  using Tell = std::function<void(election::ApplicationHealth)>;

  /// Tells "not healthy" before it returns; `tell` and `pod_is_ending` are then called on this
  /// object's thread. `pod_is_ending` may block; it is asked before a healthy application is called
  /// unhealthy: where the Pod ends the URL falls silent as it should, and the proofs of section 5
  /// alone decide. Then this object asks and tells no more.
  HealthGate(const config::HttpUrl& url, Tell tell, std::function<bool()> pod_is_ending,
             Duration period = kPeriod);
  /// Waits for a call of `pod_is_ending`.
  ~HealthGate();

  /// Asks and tells no more: the request under way is given up. Any thread; never blocks.
  void stop();

 private:
  void run();
  /// One request: "" for a good answer, else why not.
  std::string ask();

  const config::HttpUrl url_;
  const Tell tell_;
  const std::function<bool()> pod_is_ending_;
  const Duration period_;
  const std::unique_ptr<http::Connection> connection_;  // thread_'s only, apart from cancel()

  std::mutex mutex_;  // so that no change of stopping_ is missed
  std::condition_variable wake_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace baton::runtime
