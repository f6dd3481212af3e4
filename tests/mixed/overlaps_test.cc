// Each cause of an overlap is told from the versions of the Lease.
#include "mixed/overlaps.h"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

Belief belief(const std::string& holder, std::int64_t from_ns, std::int64_t until_ns) {
  Term term;
  term.who = term.term_id = holder;
  term.from_ns = from_ns;
  term.until_ns = until_ns;
  return {.term = term, .holder = holder, .is_baton = holder.starts_with("baton")};
}

LeaseVersion version(std::int64_t seen_ns, const std::string& holder, bool deleted = false) {
  return {.seen_ns = seen_ns, .version = seen_ns, .deleted = deleted, .holder = holder};
}

std::string cause(const Belief& earlier, const Belief& later,
                  const std::vector<LeaseVersion>& versions, const std::vector<Stop>& stops = {}) {
  const auto overlaps = client_go_overlaps({later, earlier}, versions, stops);
  return overlaps.size() == 1 ? overlaps[0].cause : std::to_string(overlaps.size()) + " overlaps";
}

TEST(Overlaps, OnlyThoseThatOverlapAndInvolveClientGo) {
  const std::vector<LeaseVersion> versions = {version(1, "go"), version(10, "baton-1")};
  EXPECT_EQ(cause(belief("go", 1, 10), belief("baton-1", 10, 20), versions), "0 overlaps");
  EXPECT_EQ(cause(belief("baton-0", 1, 15), belief("baton-1", 10, 20), versions), "0 overlaps");
}

TEST(Overlaps, LengthIsThatOfTheSharedTime) {
  const auto overlaps = client_go_overlaps({belief("go", 1, 15), belief("baton-1", 10, 13)},
                                           {version(1, "go"), version(10, "baton-1")}, {});
  ASSERT_EQ(overlaps.size(), 1U);
  EXPECT_EQ(overlaps[0].length_ns, 3);
  EXPECT_EQ(overlaps[0].earlier.holder, "go");
}

TEST(Overlaps, TheReplyThatClientGoCountsFrom) {
  EXPECT_NE(cause(belief("go", 1, 15), belief("baton-1", 10, 20),
                  {version(1, "go"), version(10, "baton-1")})
                .find("counts from the reply"),
            std::string::npos);
}

TEST(Overlaps, APause) {
  const std::vector<LeaseVersion> versions = {version(1, "go"), version(10, "baton-1")};
  const auto with_stop_of = [&](const std::string& who) {
    return cause(belief("go", 1, 15), belief("baton-1", 10, 20), versions, {{who, 3, 12}});
  };
  EXPECT_NE(with_stop_of("go").find("pause"), std::string::npos);
  EXPECT_EQ(with_stop_of("other").find("pause"), std::string::npos);
}

TEST(Overlaps, ADeletion) {
  EXPECT_NE(cause(belief("baton-1", 1, 15), belief("go", 10, 20),
                  {version(1, "baton-1"), version(9, "baton-1", true), version(10, "go")})
                .find("deleted"),
            std::string::npos);
}

TEST(Overlaps, ALateRelease) {
  EXPECT_NE(cause(belief("baton-1", 1, 15), belief("go", 10, 20),
                  {version(1, "baton-1"), version(9, ""), version(10, "go")})
                .find("late release"),
            std::string::npos);
}

TEST(Overlaps, ClientGoGoesOnAfterItSawAnother) {
  EXPECT_NE(cause(belief("go", 1, 15), belief("baton-1", 10, 20),
                  {version(1, "go"), version(5, "baton-0"), version(10, "baton-1")})
                .find("another holder"),
            std::string::npos);
}

}  // namespace
}  // namespace baton::test
