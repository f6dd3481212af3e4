// What a watch of one Lease shows: R11, R14 and R16 stand on it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/api.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

class WatchSemantics : public testing::Test {
 protected:
  void SetUp() override {
    admin_.remove(path());
    admin_.remove(kLeases + "/" + other_);
  }

  std::string path() const { return kLeases + "/" + name_; }
  std::string list() const { return kLeases + "?fieldSelector=metadata.name%3D" + name_; }
  std::string watch(const std::string& from, const std::string& more = "") const {
    return list() + "&watch=true&resourceVersion=" + from + more;
  }
  std::string store_revision() {
    return candidate_.get(list()).json()["metadata"]["resourceVersion"];
  }

  const std::string name_ = "e48";
  const std::string other_ = "e47";
  Api candidate_{"candidate-0"};
  Api admin_{"admin"};
};

bool never(const json& line) { return line.is_discarded(); }

std::vector<std::string> types(const std::vector<json>& lines) {
  std::vector<std::string> list;
  for (const json& line : lines) {
    list.push_back(line.value("type", "?"));
  }
  return list;
}

TEST_F(WatchSemantics, ShowsEveryChangeAfterItsVersion) {
  const std::string from = store_revision();
  const auto lines = candidate_.watch(
      watch(from), [](const json& line) { return line["type"] == "DELETED"; },
      [&] {
        json lease = candidate_.put(path(), lease_body(name_, json::object())).json();
        EXPECT_EQ(candidate_.put(path(), lease).status, 200);  // changes nothing: no event
        lease["spec"]["holderIdentity"] = "x";
        EXPECT_EQ(candidate_.put(path(), lease).status, 200);
        EXPECT_EQ(admin_.remove(path()).status, 200);
      });
  EXPECT_EQ(types(lines), (std::vector<std::string>{"ADDED", "MODIFIED", "DELETED"}));
  std::int64_t last = std::stoll(from);
  for (const json& line : lines) {
    EXPECT_EQ(line["object"]["kind"], "Lease");
    EXPECT_GT(version_of(line["object"]), last);
    last = version_of(line["object"]);
  }
  EXPECT_EQ(lines[2]["object"]["spec"]["holderIdentity"], "x");  // as it was last
}

TEST_F(WatchSemantics, PastChangesAreShownToo) {
  const std::string from = store_revision();
  json lease = candidate_.put(path(), lease_body(name_, json::object())).json();
  lease["spec"]["holderIdentity"] = "x";
  ASSERT_EQ(candidate_.put(path(), lease).status, 200);
  const auto lines =
      candidate_.watch(watch(from), [](const json& line) { return line["type"] == "MODIFIED"; });
  EXPECT_EQ(types(lines), (std::vector<std::string>{"ADDED", "MODIFIED"}));
}

TEST_F(WatchSemantics, WithoutAVersionWhatIsThereComesFirst) {
  ASSERT_EQ(candidate_.put(path(), lease_body(name_, json::object())).status, 201);
  for (const char* from : {"", "0"}) {
    const auto lines =
        candidate_.watch(watch(from), [](const json& line) { return line["type"] == "ADDED"; });
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0]["object"]["metadata"]["name"], name_);
  }
}

TEST_F(WatchSemantics, OtherLeasesAreNotShown) {
  const auto lines = candidate_.watch(
      watch(store_revision()), [](const json& line) { return line["type"] == "ADDED"; },
      [&] {
        EXPECT_EQ(candidate_.put(kLeases + "/" + other_, lease_body(other_, json::object())).status,
                  201);
        EXPECT_EQ(candidate_.put(path(), lease_body(name_, json::object())).status, 201);
      });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["object"]["metadata"]["name"], name_);
}

TEST_F(WatchSemantics, TimeoutEndsItAfterABookmarkAboveTheObject) {
  const json lease = candidate_.put(path(), lease_body(name_, json::object())).json();
  const std::string target =
      watch(std::to_string(version_of(lease)), "&allowWatchBookmarks=true&timeoutSeconds=8");
  const auto lines = candidate_.watch(target, never, [&] {
    candidate_.put(kLeases + "/" + other_, lease_body(other_, json::object()));
  });
  ASSERT_FALSE(lines.empty());
  const json& last = lines.back();
  EXPECT_EQ(last["type"], "BOOKMARK");
  EXPECT_EQ(last["object"]["kind"], "Lease");
  EXPECT_GT(version_of(last["object"]), version_of(lease));
  EXPECT_FALSE(last["object"]["metadata"].contains("name"));
}

TEST_F(WatchSemantics, WithoutAskingThereIsNoBookmark) {
  const json lease = candidate_.put(path(), lease_body(name_, json::object())).json();
  EXPECT_TRUE(candidate_.watch(watch(std::to_string(version_of(lease)), "&timeoutSeconds=3"), never)
                  .empty());
}

TEST_F(WatchSemantics, VersionOfTheFutureIsSilence) {
  const std::string target = watch("999999999999", "&timeoutSeconds=3");
  EXPECT_TRUE(candidate_.watch(target, never).empty());
}

TEST_F(WatchSemantics, VersionThatIsNoNumberIsAServerError) {
  EXPECT_EQ(candidate_.get(watch("abc")).status, 500);
}

// A real API server forgets after five minutes, which is too long for a test: what it answers then
// is known from its source.
TEST_F(WatchSemantics, ForgottenVersionIsAnErrorEventWith410) {
  if (TestCluster::get().is_real()) {
    return;
  }
  ASSERT_EQ(candidate_.put(path(), lease_body(name_, json::object())).status, 201);
  dev::control("POST", "/compact", json::object());
  const auto lines = candidate_.watch(watch("1"), never);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["type"], "ERROR");
  EXPECT_EQ(lines[0]["object"]["code"], 410);
  EXPECT_EQ(lines[0]["object"]["reason"], "Expired");
}

}  // namespace
}  // namespace baton::test
