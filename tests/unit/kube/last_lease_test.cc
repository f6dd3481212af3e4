#include "kube/last_lease.h"

#include <gtest/gtest.h>

#include "kube/lease_codec.h"

namespace baton::kube {
namespace {

std::string lease_of(const std::string& holder) {
  return R"({"kind":"Lease","metadata":{"name":"web","uid":"u","resourceVersion":"7"},)"
         R"("spec":{"holderIdentity":")" +
         holder + R"("}})";
}

// The answer to a write ends with a line feed, the object in the watch's line does not.
TEST(LastLease, ReadsTheSameTextOnce) {
  LastLease last;
  const auto answer = last.decode(lease_of("a") + "\n");
  const auto event =
      last.decode(modified_object(R"({"type":"MODIFIED","object":)" + lease_of("a") + "}"));
  ASSERT_TRUE(answer.ok() && event.ok());
  EXPECT_EQ(event->holder, "a");
  EXPECT_EQ(event->document, answer->document) << "parsed again";
}

TEST(LastLease, ReadsEveryOtherText) {
  LastLease last;
  EXPECT_EQ(last.decode(lease_of("a"))->holder, "a");
  EXPECT_EQ(last.decode(lease_of("b"))->holder, "b");
  EXPECT_EQ(last.decode(lease_of("a"))->holder, "a");
}

TEST(LastLease, RemembersNothingOfWhatIsNone) {
  LastLease last;
  ASSERT_TRUE(last.decode(lease_of("a")).ok());
  for (const std::string text : {"", "{}", "{}", "no JSON"}) {
    const auto lease = last.decode(text);
    ASSERT_FALSE(lease.ok()) << text;
    EXPECT_EQ(lease.error(), decode_lease(text).error());
  }
  EXPECT_EQ(last.decode(lease_of("a"))->holder, "a");
}

TEST(ModifiedObject, IsThereOnlyAsApiServersPutIt) {
  EXPECT_EQ(modified_object(R"({"type":"MODIFIED","object":{"a":1}})"), R"({"a":1})");
  for (const char* line :
       {"", "{}", R"({"type":"ADDED","object":{}})", R"({"object":{},"type":"MODIFIED"})",
        R"({"type":"MODIFIED","object":)", R"( {"type":"MODIFIED","object":{}})"}) {
    EXPECT_EQ(modified_object(line), "") << line;
  }
}

}  // namespace
}  // namespace baton::kube
