// The API server with its store, as requests find it when they arrive; and whatever befalls it:
// outages, compaction, restores, edits by hand, webhooks.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>

#include "devserver/store.h"
#include "election/event.h"
#include "simulation/invariants.h"
#include "simulation/lease_json.h"
#include "simulation/world.h"

namespace baton::simulation {

struct ListReply {
  election::Revision revision;
  LeaseView lease;  // null: absent
};
struct WriteReply {
  std::optional<election::Failure> failure;
  LeaseView lease;
};

/// One of the API servers before the store. It reads and writes in the store, but its watches are
/// fed from its cache, which may lag behind.
struct Front {
  Time down_until{0};
  int falls = 0;
  Time lags_until{0};
  Duration lag{0};
};

/// A Lease taken apart for an edit by hand.
struct LeaseParts {
  nlohmann::json& metadata;
  nlohmann::json& annotations;
  nlohmann::json& spec;
};

class ApiServer {
 public:
  ApiServer(World& world, Invariants& invariants, election::Revision start)
      : world_(world), invariants_(invariants), store_(start) {}

  /// Requests sent before a restore never arrive after it: the epoch differs.
  bool down() const { return world_.now() < down_until_; }
  int epoch() const { return epoch_; }

  // The two API servers, 0 and 1: whoever finds one down turns to the other.
  bool down(int front) const { return down() || world_.now() < fronts_.at(front).down_until; }
  int falls(int front) const { return fronts_.at(front).falls; }
  /// The server's clock, which is the world's, as MicroTime; and what a pause in a record means.
  /// None: it cannot be read.
  static std::string clock_text(Time at);
  static std::optional<Time> clock_time(const std::string& text);

  Duration lag(int front) const;
  void fall(int front, Time until);
  void fall_behind(int front, Duration lag, Time until);

  ListReply list();
  /// The body of the PUT, from a machine whose wall clock is wrong by `error`.
  std::string encode(const election::LeaseWrite& write, Duration error) const;
  WriteReply write(ProcessId from, const election::LeaseWrite& write, const std::string& body,
                   Instant sent_at);
  /// 0: the revision is compacted.
  devserver::Subscription watch(election::Revision from, devserver::Watcher watcher);
  void unwatch(devserver::Subscription id) { store_.unsubscribe(id); }
  LeaseView decode(const devserver::Object& object) { return lease_json_.decode(object); }
  election::Revision revision() const { return store_.revision(); }

  /// When the record that this version shows became what it is.
  Time since(const election::Lease& lease) const;

  // What other clients and people do. Each returns whether it did something.
  devserver::Object get() const { return store_.get(kLeaseKey); }
  devserver::Stored put(nlohmann::json body, const std::string& who);
  bool edit(const std::string& who, const std::function<void(LeaseParts)>& change);
  bool remove(const std::string& who);
  bool create(const std::string& holder, std::int64_t duration_s, bool with_token);
  void other_write();  // of another object: moves the revision on

  void go_down_until(Time until);
  bool compact();
  /// To the state of `age` ago, with the API server down for `downtime`. A bump is more than the
  /// revisions lost.
  bool restore(Duration age, election::Revision bump, Duration downtime);
  /// Whatever is acquired until then is deleted or cleared at once, often before the answer
  /// arrives.
  void ambush_until(Time until) { ambush_until_ = until; }
  /// Writes of the Lease until then lose these annotations.
  void strip(std::vector<std::string> annotations, Time until);
  void forbid_create(Time until) { create_forbidden_until_ = until; }
  /// A record that nobody may take is mended by hand, as the documentation says.
  void mend_record();
  /// All that lasts is over.
  void heal();

  std::int64_t longest_duration_s() const { return longest_duration_s_; }

 private:
  void ambush();
  void committed(const std::string& who, bool by_hand);
  std::string stamp(Duration error = Duration{0}) const;

  World& world_;
  Invariants& invariants_;
  devserver::Store store_;
  LeaseJson lease_json_;
  LeaseView current_;
  std::map<std::pair<std::string, election::Revision>, Time> since_;  // by uid and version
  std::unordered_map<std::string, Time> first_seen_;  // by uid, spec and baton's annotations
  std::deque<std::pair<Time, devserver::Snapshot>> snapshots_;
  Time down_until_{0};
  std::array<Front, 2> fronts_;
  Time create_forbidden_until_{0};
  Time strip_until_{0};
  Time ambush_until_{0};
  std::vector<std::string> stripped_;
  int epoch_ = 0;
  std::int64_t longest_duration_s_ = 0;
};

}  // namespace baton::simulation
