// Tells the election of the application's processes (design section 5 c), on a thread of its own:
// while none of the set name lives this candidate does not contend, and a leader gives way; that
// none lives any more is then the proof that the term's work has ended.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "election/event.h"

namespace baton::runtime {

/// The living processes of one name, as /proc shows them, apart from this one. Each that is found
/// is held by a pidfd and counts until it exits, whatever name it takes. One thread.
class NamedProcesses {
 public:
  /// More than these are not held at once: descriptors are few. The rest are found when they end.
  static constexpr std::size_t kMostHeld = 256;

  /// `name` as /proc/PID/comm has it, which the kernel sets to the program's own name at each exec:
  /// at most 15 bytes, and a script's name, not its interpreter's. argv[0] is any text of any
  /// length that the caller of exec chose.
  explicit NamedProcesses(std::string name) : name_(std::move(name)) {}

  enum class Presence {
    some,
    none,     // at one moment during the call there was none, for certain
    unknown,  // none was found, but /proc does not show all, or they came and went too fast
  };
  Presence look();
  /// Why the last look() did not find any, for people.
  const std::string& why_not() const { return why_not_; }
  /// Adds what becomes readable when one that is held exits.
  void append_to(std::vector<pollfd>& descriptors) const;

 private:
  /// Goes once through /proc, into held_ and ended_. Whether every process that it lists could
  /// still be read.
  bool pass();

  const std::string name_;
  std::map<pid_t, Descriptor> held_;
  std::set<pid_t> ended_;  // of the name, exited but not yet reaped, at the last pass
  std::string why_not_;
};

class ProcessWatch {
 public:
  /// How often it looks for processes that have started. Of an exit it hears at once.
  static constexpr Duration kPeriod = std::chrono::seconds(1);

  using Tell = std::function<void(election::ApplicationHealth)>;
  /// The id of the term that is drained now, "" if none is.
  using DrainedTerm = std::function<std::string()>;
  /// The work of this term has ended.
  using Ended = std::function<void(const std::string& term_id)>;

  /// Looks and tells before it returns; all three are then called on this object's thread. `ended`
  /// is called once for a term, and never before a process was found.
  ProcessWatch(const std::string& name, Tell tell, DrainedTerm drained_term, Ended ended,
               Duration period = kPeriod);
  ~ProcessWatch() { stop(); }

  /// A term may be drained from now on. Any thread; never blocks.
  void changed();
  /// Looks and tells no more.
  void stop();

 private:
  void run();
  void look();

  NamedProcesses processes_;  // this and what follows: the constructor's, then thread_'s
  const Tell tell_;
  const DrainedTerm drained_term_;
  const Ended ended_;
  const Duration period_;
  std::optional<std::string> told_;  // why not healthy; "": healthy
  bool has_found_ = false;
  std::string proven_;  // the last term that `ended` was told of

  const Descriptor bell_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace baton::runtime
