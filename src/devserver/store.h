// A revisioned object store with the semantics that a Kubernetes API server shows: one revision
// counter for everything, compare-and-swap on uid and resourceVersion, lists and watches as of a
// revision, compaction, restore. The devserver puts HTTP around it, the simulator a network.
//
// In memory, no thread, no clock, no lock: the caller serialises. Objects are immutable once stored
// and carry metadata.name, namespace, uid and resourceVersion; whoever holds a pointer may read on.
// What is refused is returned as an Outcome, never thrown.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "election/lease.h"

namespace baton::devserver {

using election::Revision;
using Object = std::shared_ptr<const nlohmann::json>;

/// "leases", "pods", …; namespace "" for cluster-wide resources.
struct Key {
  std::string resource;
  std::string name_space;
  std::string name;

  auto operator<=>(const Key&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14
};

/// What a list or a watch selects: "" for namespace or name means all.
struct Scope {
  std::string resource;
  std::string name_space;
  std::string name;

  bool contains(const Key& key) const;
};

enum class Outcome {
  ok,         // 200
  created,    // 201
  not_found,  // 404
  exists,     // 409 AlreadyExists
  conflict,   // 409 Conflict: uid or resourceVersion is another, or a uid was named on nothing
  invalid,    // 422: an update without resourceVersion
};

/// `object` is what is stored now (for remove: the last state, with the revision of the deletion);
/// null where the outcome is no success.
struct Stored {
  Outcome outcome;
  Object object;
};

struct Listing {
  Revision revision;  // of the store, not of an object
  std::vector<Object> objects;
};

enum class ChangeKind { added, modified, deleted, ended };

/// One event of a watch. A deleted object carries the revision of its deletion. After `ended` (the
/// store was restored) the subscription is gone; it has no object.
struct Change {
  ChangeKind kind;
  Revision revision;
  Key key;
  Object object;
};

using Watcher = std::function<void(const Change&)>;
using Subscription = std::uint64_t;  // 0 is none

/// The whole state at one revision. Cheap: objects are shared.
struct Snapshot {
  Revision revision = 0;
  std::map<Key, Object> objects;
};

class Store {
 public:
  /// `uid_seed` makes the uids of two stores differ.
  explicit Store(Revision start = 1, std::uint64_t uid_seed = 0);

  Revision revision() const { return revision_; }

  /// POST. exists if there is one. A uid or resourceVersion in the body is replaced.
  Stored create(const Key& key, nlohmann::json body);

  /// PUT. On an existing object: invalid without resourceVersion, conflict if uid (where named) or
  /// resourceVersion is another, ok otherwise; a body that changes nothing keeps the version and
  /// makes no event. On a missing one: conflict if a uid is named, else created, even with a
  /// resourceVersion. uid and the timestamps of creation and deletion stay as stored.
  Stored put(const Key& key, nlohmann::json body);

  /// Writes whatever the body says, except the uid of an existing object, on any version: for edits
  /// by hand and what only the server itself does (deletionTimestamp).
  Stored overwrite(const Key& key, nlohmann::json body);

  /// DELETE; `uid` and `version` are preconditions where not "".
  Stored remove(const Key& key, const std::string& uid = "", const std::string& version = "");

  /// Null if there is none.
  Object get(const Key& key) const;
  Listing list(const Scope& scope) const;

  /// Calls `watcher` for each change above `from`: those in the past before it returns, those to
  /// come from within the call that makes them (it must not change the store). 0 if `from` is
  /// compacted (410). A `from` above the revision is taken as it is: silence until then, as etcd.
  Subscription subscribe(Scope scope, Revision from, Watcher watcher);
  void unsubscribe(Subscription id);

  /// Forgets the changes up to `revision`. Done by itself when there are more than kHistoryLimit.
  void compact(Revision revision);
  static constexpr std::size_t kHistoryLimit = 4096;

  Snapshot snapshot() const { return {revision_, objects_}; }
  /// Goes back to `snapshot`. The revision becomes the snapshot's + `bump`; the objects keep their
  /// versions, as after `etcdutl snapshot restore --bump-revision`. All subscriptions end, and all
  /// history is compacted.
  void restore(const Snapshot& snapshot, Revision bump);

 private:
  struct Subscriber {
    Scope scope;
    Revision from;
    Watcher watcher;
  };

  Stored commit(ChangeKind kind, const Key& key, nlohmann::json body, const std::string& uid);
  void publish(Change change);
  std::string next_uid();

  Revision revision_;
  Revision compacted_;
  std::uint64_t uid_seed_;
  std::uint64_t uids_ = 0;
  Subscription subscriptions_ = 0;
  std::map<Key, Object> objects_;
  std::deque<Change> history_;
  std::map<Subscription, Subscriber> subscribers_;
};

/// metadata.`field` of an object, "" if absent or no string.
std::string metadata(const nlohmann::json& object, const char* field);

}  // namespace baton::devserver
