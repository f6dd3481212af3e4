// What the API server answers to reads and writes of a Lease: the ground that R1, R5, R6 and R9
// stand on.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/api.h"

namespace baton::test {
namespace {

using nlohmann::json;

class LeaseSemantics : public testing::Test {
 protected:
  void SetUp() override { admin_.remove(path()); }

  std::string path(const std::string& query = "") const { return kLeases + "/" + name_ + query; }
  json body(const json& spec = json::object()) const { return lease_body(name_, spec); }
  json created(const json& spec = json::object()) {
    const Answer answer = candidate_.put(path(), body(spec));
    EXPECT_EQ(answer.status, 201) << answer.what;
    return answer.json();
  }

  const std::string name_ = "e49";
  Api candidate_{"candidate-0"};
  Api admin_{"admin"};
};

void expect_status(const Answer& answer, int code, const std::string& reason) {
  EXPECT_EQ(answer.status, code) << answer.what;
  const json status = answer.json();
  ASSERT_TRUE(status.is_object()) << answer.body;
  EXPECT_EQ(status.value("kind", ""), "Status");
  EXPECT_EQ(status.value("status", ""), "Failure");
  EXPECT_EQ(status.value("code", 0), code);
  EXPECT_EQ(status.value("reason", ""), reason) << answer.what;
}

TEST_F(LeaseSemantics, MissingLeaseIs404) {
  expect_status(candidate_.get(path()), 404, "NotFound");
}

TEST_F(LeaseSemantics, ListOfNothingCarriesTheRevisionOfTheStore) {
  const std::string list = kLeases + "?fieldSelector=metadata.name%3D" + name_;
  const json before = candidate_.get(list).json();
  EXPECT_EQ(before["kind"], "LeaseList");
  EXPECT_EQ(before["items"], json::array());
  EXPECT_GT(version_of(before), 0);
  created();
  const json after = candidate_.get(list).json();
  ASSERT_EQ(after["items"].size(), 1U);
  EXPECT_GT(version_of(after), version_of(before));
  EXPECT_GE(version_of(after), version_of(after["items"][0]));
  admin_.remove(path());
  const json gone = candidate_.get(list).json();
  EXPECT_EQ(gone["items"], json::array());
  EXPECT_GT(version_of(gone), version_of(after));
}

TEST_F(LeaseSemantics, PutOnMissingLeaseCreates) {
  const json lease = created({{"holderIdentity", ""}, {"leaseDurationSeconds", 3}});
  EXPECT_FALSE(lease["metadata"].value("uid", "").empty());
  EXPECT_GT(version_of(lease), 0);
  EXPECT_EQ(lease["spec"]["leaseDurationSeconds"], 3);
  EXPECT_EQ(lease["spec"]["holderIdentity"], "");
}

TEST_F(LeaseSemantics, PutWithoutVersionOnExistingLeaseIs422) {
  created();
  expect_status(candidate_.put(path(), body({{"holderIdentity", "x"}})), 422, "Invalid");
}

TEST_F(LeaseSemantics, IdenticalPutIsASilentNoOp) {
  const json lease = created({{"holderIdentity", "x"}, {"leaseDurationSeconds", 3}});
  const Answer again = candidate_.put(path(), lease);
  EXPECT_EQ(again.status, 200) << again.what;
  EXPECT_EQ(version_of(again.json()), version_of(lease));
}

TEST_F(LeaseSemantics, ChangingPutRaisesTheVersionAndKeepsTheUid) {
  json lease = created({{"holderIdentity", "x"}});
  lease["metadata"]["annotations"]["baton/attempt"] = "1";
  const Answer changed = candidate_.put(path("?fieldManager=baton"), lease);
  EXPECT_EQ(changed.status, 200) << changed.what;
  EXPECT_GT(version_of(changed.json()), version_of(lease));
  EXPECT_EQ(changed.json()["metadata"]["uid"], lease["metadata"]["uid"]);
  EXPECT_EQ(changed.json()["metadata"]["annotations"]["baton/attempt"], "1");
}

TEST_F(LeaseSemantics, StaleVersionIs409) {
  json lease = created();
  json changed = lease;
  changed["spec"]["holderIdentity"] = "x";
  ASSERT_EQ(candidate_.put(path(), changed).status, 200);
  lease["spec"]["holderIdentity"] = "y";
  expect_status(candidate_.put(path(), lease), 409, "Conflict");
  EXPECT_EQ(candidate_.get(path()).json()["spec"]["holderIdentity"], "x");
}

TEST_F(LeaseSemantics, AnotherUidIs409) {
  json lease = created();
  lease["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555";
  lease["spec"]["holderIdentity"] = "x";
  expect_status(candidate_.put(path(), lease), 409, "Conflict");
}

TEST_F(LeaseSemantics, R1VersionWithoutUidRecreatesADeletedLease) {
  json lease = created();
  ASSERT_EQ(admin_.remove(path()).status, 200);
  const json uid = lease["metadata"]["uid"];
  lease["metadata"].erase("uid");
  const Answer again = candidate_.put(path(), lease);
  EXPECT_EQ(again.status, 201) << again.what;
  EXPECT_NE(again.json()["metadata"]["uid"], uid);
}

TEST_F(LeaseSemantics, R1UidRefusesToRecreateADeletedLease) {
  const json lease = created();
  ASSERT_EQ(admin_.remove(path()).status, 200);
  expect_status(candidate_.put(path(), lease), 409, "Conflict");
  EXPECT_EQ(candidate_.get(path()).status, 404);
}

TEST_F(LeaseSemantics, VersionThatIsNoNumberIsAServerError) {
  json lease = created();
  lease["metadata"]["resourceVersion"] = "abc";
  EXPECT_EQ(candidate_.put(path(), lease).status, 500);
}

TEST_F(LeaseSemantics, MicroTimeHasExactlySixDigits) {
  for (const char* time : {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z",
                           "2026-01-01T00:00:00.000000000Z", "yesterday"}) {
    expect_status(candidate_.put(path(), body({{"renewTime", time}})), 400, "BadRequest");
    expect_status(candidate_.put(path(), body({{"acquireTime", time}})), 400, "BadRequest");
  }
  EXPECT_EQ(candidate_.get(path()).status, 404);
  const json lease = created({{"renewTime", "2026-01-01T00:00:00.000000Z"}});
  EXPECT_EQ(lease["spec"]["renewTime"], "2026-01-01T00:00:00.000000Z");
}

TEST_F(LeaseSemantics, UnknownSpecFieldsAreDroppedUnlessStrict) {
  const json spec = {{"holderIdentity", "x"}, {"batonToken", 5}};
  expect_status(candidate_.put(path("?fieldValidation=Strict"), body(spec)), 400, "BadRequest");
  EXPECT_EQ(created(spec)["spec"], json({{"holderIdentity", "x"}}));
}

TEST_F(LeaseSemantics, WrongTypesAre400) {
  for (const json& spec :
       {json("x"), json({{"holderIdentity", 5}}), json({{"leaseDurationSeconds", "3"}}),
        json({{"leaseDurationSeconds", 1.5}}), json({{"leaseDurationSeconds", 2147483648}})}) {
    expect_status(candidate_.put(path(), body(spec)), 400, "BadRequest");
  }
  json numbered = body();
  numbered["metadata"]["annotations"]["baton/fencing-token"] = 5;
  expect_status(candidate_.put(path(), numbered), 400, "BadRequest");
  expect_status(candidate_.request("PUT", path(), "{\"apiVersion\":", ""), 400, "BadRequest");
  expect_status(candidate_.put(path(), lease_body("e48", json::object())), 400, "BadRequest");
}

TEST_F(LeaseSemantics, ValuesOutOfRangeAre422) {
  expect_status(candidate_.put(path(), body({{"leaseDurationSeconds", 0}})), 422, "Invalid");
  expect_status(candidate_.put(path(), body({{"leaseDurationSeconds", -1}})), 422, "Invalid");
  expect_status(candidate_.put(path(), body({{"leaseTransitions", -1}})), 422, "Invalid");
  json lease = created({{"leaseDurationSeconds", 2147483647}});
  lease["spec"]["leaseDurationSeconds"] = 0;
  expect_status(candidate_.put(path(), lease), 422, "Invalid");
  lease["metadata"]["resourceVersion"] = "1";
  expect_status(candidate_.put(path(), lease), 409, "Conflict");  // compared first
}

TEST_F(LeaseSemantics, PostCreatesOnce) {
  EXPECT_EQ(admin_.post(kLeases, body()).status, 201);
  expect_status(admin_.post(kLeases, body()), 409, "AlreadyExists");
}

TEST_F(LeaseSemantics, SpecMayBeMissing) {
  const Answer answer = candidate_.put(path(), {{"metadata", {{"name", name_}}}});
  EXPECT_EQ(answer.status, 201) << answer.what;
  EXPECT_EQ(answer.json()["spec"], json::object());
}

TEST_F(LeaseSemantics, DeleteAnswersOnceAndThen404) {
  created();
  const Answer removed = admin_.remove(path());
  EXPECT_EQ(removed.status, 200) << removed.what;
  expect_status(admin_.remove(path()), 404, "NotFound");
}

TEST_F(LeaseSemantics, DeleteHoldsToItsPreconditions) {
  created();
  for (const json& precondition : {json({{"uid", "another"}}), json({{"resourceVersion", "1"}})}) {
    const json options = {{"preconditions", precondition}};
    expect_status(admin_.request("DELETE", path(), options.dump()), 409, "Conflict");
  }
}

TEST_F(LeaseSemantics, FinalizerTurnsDeletionIntoAMark) {
  json lease = created();
  const json finalizer = {{"metadata", {{"finalizers", {"baton.test/hold"}}}}};
  ASSERT_EQ(admin_.patch(path(), finalizer).status, 200);
  ASSERT_EQ(admin_.remove(path()).status, 200);
  json marked = candidate_.get(path()).json();
  EXPECT_FALSE(marked["metadata"].value("deletionTimestamp", "").empty());
  marked["metadata"].erase("finalizers");
  marked["metadata"].erase("deletionTimestamp");  // only the server may: it is kept
  EXPECT_EQ(candidate_.put(path(), marked).status, 200);
  EXPECT_EQ(candidate_.get(path()).status, 404);
}

TEST_F(LeaseSemantics, MergePatchNeedsNoVersion) {
  const json lease = created({{"holderIdentity", "x"}});
  const Answer patched = admin_.patch(path(), {{"spec", {{"holderIdentity", nullptr}}}});
  EXPECT_EQ(patched.status, 200) << patched.what;
  EXPECT_FALSE(patched.json()["spec"].contains("holderIdentity"));
  EXPECT_GT(version_of(patched.json()), version_of(lease));
  expect_status(admin_.patch(path(), {{"metadata", {{"resourceVersion", "1"}}}}), 409, "Conflict");
  expect_status(admin_.patch(kLeases + "/none", json::object()), 404, "NotFound");
}

TEST_F(LeaseSemantics, UnknownPathsAndMethodsAreRefused) {
  EXPECT_EQ(admin_.get("/apis/coordination.k8s.io/v1/namespaces/baton-test/nothing").status, 404);
  EXPECT_EQ(admin_.request("POST", path(), "{}").status, 405);
  expect_status(admin_.get(kLeases + "?fieldSelector=spec.holderIdentity%3Da"), 400, "BadRequest");
}

TEST_F(LeaseSemantics, ListFromTheFutureIs504WithRetryAfter) {
  const Answer answer = admin_.get(kLeases + "?resourceVersion=999999999999");
  EXPECT_EQ(answer.status, 504) << answer.what;
  EXPECT_EQ(http::header(answer.headers, "Retry-After"), "1");
}

}  // namespace
}  // namespace baton::test
