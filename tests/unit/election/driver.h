// Drives elections in logical time: a Lease in memory, candidates, and a network whose every
// request has a fate that the test chooses. No thread, no real clock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "election/election.h"

namespace baton::election::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Time zero of every test; far from the ends of the clock.
inline constexpr Instant kStart{std::chrono::hours(1)};
/// A network that answers needs this long each way: a request's answer comes after twice that.
inline constexpr Duration kOneWay = milliseconds(5);

Timings balanced();
Options options_of(const std::string& identity);

/// Unheld, with the mark of its last term "old".
Lease released_lease(Token token);
/// Held by a baton candidate in the term "running", with token 400.
Lease held_lease(const std::string& holder, std::int64_t duration_s);

/// The API server's store as far as one Lease goes: compare-and-swap, and one revision counter.
class Store {
 public:
  using Listener = std::function<void(WatchEventKind, Revision, const std::optional<Lease>&)>;

  std::variant<Lease, Failure> put(const LeaseWrite& write);
  /// Changes the Lease as another client would; a hand that does not touch the spec's times.
  void edit(const std::function<void(Lease&)>& change);
  void remove();
  void create(Lease lease);
  /// Another elector's write of the whole spec; baton's annotations survive (client-go).
  void hold_as_foreign(const std::string& holder, std::int64_t duration_s);
  /// Shows `lease` again as it was, the store's revision set to `revision` (R14).
  void restore(const std::optional<Lease>& lease, Revision revision);
  void bump(Revision by) { revision_ += by; }

  Revision revision() const { return revision_; }
  const std::optional<Lease>& lease() const { return lease_; }
  void set_listener(Listener listener) { listener_ = std::move(listener); }

 private:
  void commit(std::optional<Lease> lease);

  Revision revision_ = 1000;
  int uids_ = 0;
  int writes_ = 0;
  std::optional<Lease> lease_;
  Listener listener_;
};

/// What becomes of a request.
struct Fate {
  bool is_applied = true;              // a write reaches the store
  std::optional<Failure> answer = {};  // instead of the store's
  Duration delay = 2 * kOneWay;        // from sending to the answer
  Duration applied_after = {};         // from sending to the store, also after the answer
};
Fate served();
Fate lost(bool is_applied);  // no answer within the request timeout
Fate failed(FailureKind kind, std::optional<Duration> retry_after = {});
Fate slow(Duration delay);

class World;

class Runner {
 public:
  Runner(World& world, Options options, Instant start);

  /// One step at the world's present, its actions carried out.
  const Step& feed(const Event& event);
  const Status& status() const { return election_.status(); }
  const Election& election() const { return election_; }
  bool leads() const;
  std::vector<Notice> notices(NoticeKind kind) const;
  bool has(NoticeKind kind) const { return !notices(kind).empty(); }
  std::vector<LeaseWrite> writes(WriteKind kind) const;

  const Options options;
  std::vector<LeaseWrite> written;  // every write asked for
  std::vector<Instant> written_at;
  std::vector<Notice> noticed;
  int lists = 0;
  std::vector<Revision> watched_from;
  int dials = 0;
  bool has_exited = false;
  bool is_cut_off = false;         // of the watch's events; requests have fates
  Duration event_delay = kOneWay;  // of the watch's events
  bool asks = true;                // the application asks after every step: validity is handed out
  Instant handed_out = kLongAgo;
  std::function<Fate(const LeaseWrite*)> fate = [](const LeaseWrite*) { return served(); };
  Step last;

 private:
  friend class World;
  void perform(const SendList& action);
  void perform(const SendWrite& action);
  void perform(const StartWatch& action);
  void perform(const StopWatch& action);
  void perform(const DialAhead&) { ++dials; }
  void perform(const Exit&) { has_exited = true; }
  void perform(const Notice& notice) { noticed.push_back(notice); }

  World& world_;
  Election election_;
  WatchId watch_ = 0;  // 0: none
  Instant last_event_ = kLongAgo;
  int steps_at_once_ = 0;
  Instant stepped_at_ = kLongAgo;
};

class World {
 public:
  World();
  Runner& add(Options options);
  Runner& add(const std::string& identity) { return add(options_of(identity)); }
  /// The process ends: no further step, its answers go nowhere.
  void kill(Runner& runner);
  /// Its watch breaks, as an API server that restarts would do it; or ends for another reason.
  void break_watch(Runner& runner, FailureKind kind = FailureKind::unknown);
  void bookmark();
  /// What happens at a later time, whoever is alive then.
  void run_after(Duration delay, std::function<void()> act) {
    schedule(now + delay, nullptr, std::move(act));
  }

  void run_for(Duration duration) { run_until(now + duration); }
  void run_until(Instant until);
  /// Until `condition` holds after a step; false if it does not within `limit`.
  bool run_until_true(const std::function<bool()>& condition, Duration limit = seconds(120));

  Instant now = kStart;
  Store store;
  std::function<void(Runner&, const Event&, const Step&)> observer;  // after every step

 private:
  friend class Runner;
  void schedule(Instant at, Runner& runner, Event event);
  void schedule(Instant at, Runner* owner, std::function<void()> act);
  bool run_next(Instant until);

  std::vector<std::unique_ptr<Runner>> runners_;
  std::vector<std::unique_ptr<Runner>> dead_;
  std::multimap<Instant, std::pair<Runner*, std::function<void()>>> queue_;  // owner: dies with it
};

/// The first action of this type, nullptr if there is none.
template <typename Wanted>
const Wanted* find(const Step& step) {
  for (const Action& action : step.actions) {
    if (const auto* wanted = std::get_if<Wanted>(&action)) return wanted;
  }
  return nullptr;
}

}  // namespace baton::election::testing
