// The store answers as a Kubernetes 1.36 API server was seen to answer.
#include "devserver/store.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::devserver {
namespace {

using nlohmann::json;

const Key kLease{"leases", "default", "demo"};
const Scope kAll{"leases", "", ""};

json lease(const std::string& holder) { return {{"spec", {{"holderIdentity", holder}}}}; }

// `object` with the holder changed: what a client sends back.
json held_by(const Object& object, const std::string& holder) {
  json body = *object;
  body["spec"]["holderIdentity"] = holder;
  return body;
}

TEST(StoreTest, PutWithoutVersionCreatesAMissingObjectAndIsInvalidOnAnExistingOne) {
  Store store(100);
  const Stored first = store.put(kLease, lease("a"));
  ASSERT_EQ(first.outcome, Outcome::created);
  EXPECT_EQ(metadata(*first.object, "resourceVersion"), "101");
  EXPECT_EQ(metadata(*first.object, "name"), "demo");
  EXPECT_EQ(metadata(*first.object, "namespace"), "default");
  EXPECT_EQ(store.put(kLease, lease("b")).outcome, Outcome::invalid);
  EXPECT_EQ(store.revision(), 101);
}

TEST(StoreTest, PostOnAnExistingObjectIsRefused) {
  Store store;
  EXPECT_EQ(store.create(kLease, lease("a")).outcome, Outcome::created);
  EXPECT_EQ(store.create(kLease, lease("b")).outcome, Outcome::exists);
}

TEST(StoreTest, PutIsCompareAndSwapOnVersionAndUid) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  const Stored second = store.put(kLease, held_by(first, "b"));
  EXPECT_EQ(second.outcome, Outcome::ok);
  EXPECT_EQ(store.put(kLease, held_by(first, "c")).outcome, Outcome::conflict);
  json other_uid = held_by(second.object, "c");
  other_uid["metadata"]["uid"] = "another";
  EXPECT_EQ(store.put(kLease, other_uid).outcome, Outcome::conflict);
  EXPECT_EQ(store.get(kLease), second.object);
}

TEST(StoreTest, PutOnADeletedObjectConflictsWithUidAndRecreatesWithoutIt) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  ASSERT_EQ(store.remove(kLease).outcome, Outcome::ok);
  EXPECT_EQ(store.put(kLease, held_by(first, "b")).outcome, Outcome::conflict);
  json body = held_by(first, "b");
  body["metadata"].erase("uid");
  const Stored recreated = store.put(kLease, body);
  EXPECT_EQ(recreated.outcome, Outcome::created);
  EXPECT_NE(metadata(*recreated.object, "uid"), metadata(*first, "uid"));
}

TEST(StoreTest, IdenticalPutKeepsTheVersionAndMakesNoEvent) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  int changes = 0;
  store.subscribe(kAll, store.revision(), [&](const Change&) { ++changes; });
  json body = *first;
  body["metadata"]["managedFields"] = json::array({"ignored"});
  const Stored again = store.put(kLease, body);
  EXPECT_EQ(again.outcome, Outcome::ok);
  EXPECT_EQ(again.object, first);
  EXPECT_EQ(changes, 0);
}

TEST(StoreTest, PutCannotSetADeletionTimestampAndOverwriteCan) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  json body = *first;
  body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_EQ(store.put(kLease, body).object, first);
  const Object marked = store.overwrite(kLease, body).object;
  EXPECT_EQ(metadata(*marked, "deletionTimestamp"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(metadata(*marked, "uid"), metadata(*first, "uid"));
  const Object renewed = store.put(kLease, held_by(marked, "b")).object;
  EXPECT_EQ(metadata(*renewed, "deletionTimestamp"), "2026-01-01T00:00:00Z");
}

TEST(StoreTest, RemoveHonoursPreconditions) {
  Store store;
  EXPECT_EQ(store.remove(kLease).outcome, Outcome::not_found);
  const Object first = store.create(kLease, lease("a")).object;
  EXPECT_EQ(store.remove(kLease, "another").outcome, Outcome::conflict);
  EXPECT_EQ(store.remove(kLease, "", "1").outcome, Outcome::conflict);
  EXPECT_EQ(store.remove(kLease, metadata(*first, "uid")).outcome, Outcome::ok);
}

TEST(StoreTest, AnEmptyListCarriesTheRevisionOfTheStore) {
  Store store(7);
  store.create({"pods", "default", "p"}, json::object());
  const Listing listing = store.list({"leases", "default", "demo"});
  EXPECT_TRUE(listing.objects.empty());
  EXPECT_EQ(listing.revision, 8);
}

TEST(StoreTest, ListSelectsByNamespaceAndName) {
  Store store;
  store.create(kLease, lease("a"));
  store.create({"leases", "default", "other"}, lease("a"));
  store.create({"leases", "elsewhere", "demo"}, lease("a"));
  EXPECT_EQ(store.list(kAll).objects.size(), 3U);
  EXPECT_EQ(store.list({"leases", "default", ""}).objects.size(), 2U);
  EXPECT_EQ(store.list({"leases", "default", "demo"}).objects.size(), 1U);
}

TEST(StoreTest, WatchReplaysFromARevisionAndGoesOn) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  store.put(kLease, held_by(first, "b"));
  std::vector<std::pair<ChangeKind, Revision>> seen;
  const Subscription id = store.subscribe({"leases", "default", "demo"}, 2, [&](const Change& c) {
    seen.emplace_back(c.kind, c.revision);
  });
  ASSERT_NE(id, 0U);
  store.create({"leases", "default", "other"}, lease("a"));
  const Stored gone = store.remove(kLease);
  EXPECT_EQ(metadata(*gone.object, "resourceVersion"), "5");
  store.unsubscribe(id);
  store.create(kLease, lease("c"));
  EXPECT_EQ(seen, (std::vector<std::pair<ChangeKind, Revision>>{{ChangeKind::modified, 3},
                                                                {ChangeKind::deleted, 5}}));
}

TEST(StoreTest, WatchFromACompactedRevisionIsGone) {
  Store store;
  store.create(kLease, lease("a"));
  store.create({"leases", "default", "other"}, lease("a"));
  store.compact(2);
  const Watcher ignore = [](const Change&) {};
  EXPECT_EQ(store.subscribe(kAll, 1, ignore), 0U);
  EXPECT_NE(store.subscribe(kAll, 2, ignore), 0U);
}

TEST(StoreTest, HistoryIsBounded) {
  Store store;
  for (std::size_t i = 0; i <= Store::kHistoryLimit; ++i) {
    store.overwrite(kLease, lease("a"));
  }
  EXPECT_EQ(store.subscribe(kAll, 1, [](const Change&) {}), 0U);
  EXPECT_NE(store.subscribe(kAll, 2, [](const Change&) {}), 0U);
}

TEST(StoreTest, RestoreWithABumpRaisesTheRevisionAndKeepsTheVersionsOfObjects) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  const Snapshot snapshot = store.snapshot();
  store.put(kLease, held_by(first, "b"));
  bool ended = false;
  store.subscribe(kAll, store.revision(), [&](const Change& c) {
    ended = c.kind == ChangeKind::ended && c.object == nullptr;
  });
  store.restore(snapshot, 1000);
  EXPECT_TRUE(ended);
  EXPECT_EQ(store.list(kAll).revision, 1002);
  EXPECT_EQ(metadata(*store.get(kLease), "resourceVersion"), "2");
  EXPECT_EQ(store.subscribe(kAll, 3, [](const Change&) {}), 0U) << "marked as compacted";
  EXPECT_EQ(metadata(*store.put(kLease, held_by(first, "c")).object, "resourceVersion"), "1003");
}

TEST(StoreTest, RestoreWithoutABumpIssuesRevisionsAgain) {
  Store store;
  const Object first = store.create(kLease, lease("a")).object;
  const Snapshot snapshot = store.snapshot();
  store.put(kLease, held_by(first, "b"));
  store.restore(snapshot, 0);
  EXPECT_EQ(metadata(*store.put(kLease, held_by(first, "c")).object, "resourceVersion"), "3");
  int changes = 0;
  store.subscribe(kAll, 4, [&](const Change&) { ++changes; });
  const Object third = store.overwrite(kLease, lease("d")).object;
  EXPECT_EQ(changes, 0) << "a watch from a revision not reached yet is silent until then";
  store.put(kLease, held_by(third, "e"));
  EXPECT_EQ(changes, 1);
}

TEST(StoreTest, AMetadataThatIsNoObjectIsReplaced) {
  Store store;
  EXPECT_EQ(store.put(kLease, {{"metadata", 7}}).outcome, Outcome::created);
  EXPECT_EQ(metadata(*store.get(kLease), "name"), "demo");
}

TEST(StoreTest, UidsOfTwoStoresDiffer) {
  Store one(1, 1);
  Store two(1, 2);
  EXPECT_NE(metadata(*one.create(kLease, lease("a")).object, "uid"),
            metadata(*two.create(kLease, lease("a")).object, "uid"));
}

}  // namespace
}  // namespace baton::devserver
