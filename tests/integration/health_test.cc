// The gate on the application's health: who is not up does not contend, a leader that falls silent
// gives way, and its silence proves nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"
#include "support/fake_application.h"

namespace baton::test {
namespace {

using std::chrono::seconds;

TEST(Health, ACandidateContendsOnceItsApplicationIsUp) {
  FakeApplication application;
  Candidates candidates(
      1, [&](BatonOptions& options) { options.flags = {"--app-health-url=" + application.url()}; });
  Baton& baton = candidates.at(0);
  const std::string reason =
      "the application is unhealthy: " + application.url() + ": connect " + application.address();
  EXPECT_TRUE(wait_until([&] { return baton.reason().starts_with(reason); })) << baton.reason();
  EXPECT_EQ(baton.state(), "blocked");
  const Answer ready = baton.probe("/readyz?verbose");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find(reason), std::string::npos) << ready.body;
  let_pass(seconds(5));  // the lease duration is 3 s
  EXPECT_TRUE(baton.log_lines("gained").empty());
  application.come_up();
  EXPECT_EQ(candidates.wait_for_leader(), 0);
}

TEST(Health, ASilentLeaderGivesWayButReleasesOnlyOnProof) {
  std::array<FakeApplication, 2> applications;
  int next = 0;
  Candidates candidates(2, [&](BatonOptions& options) {
    options.flags = {"--app-health-url=" + applications.at(static_cast<std::size_t>(next++)).url()};
  });
  applications[0].come_up();
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  applications[1].come_up();
  ASSERT_TRUE(wait_until([&] { return candidates.at(1).state() == "following"; }));

  const std::int64_t sequence = dev::last_sequence();
  applications[0].go_down();
  std::int64_t handed_out_ns = 0;
  ASSERT_TRUE(wait_until([&] {
    const std::int64_t deadline_ns = candidates.at(0).deadline_ns();
    handed_out_ns = std::max(handed_out_ns, deadline_ns);
    return deadline_ns == 0;
  }));
  EXPECT_EQ(candidates.wait_for_leader(0), 1);
  const auto seen = dev::requests(sequence);
  const auto release = std::ranges::find_if(seen, [&](const dev::Seen& one) {
    return one.verb == "update" && one.name == candidates.election() && one.holder.empty();
  });
  ASSERT_NE(release, seen.end()) << candidates.at(0).log();
  EXPECT_GE(release->boottime_ns, handed_out_ns);
  EXPECT_TRUE(wait_until([&] { return candidates.at(0).state() == "blocked"; }));

  applications[0].come_up();
  EXPECT_TRUE(wait_until([&] { return candidates.at(0).state() == "following"; }));
  applications[1].go_down();
  EXPECT_EQ(candidates.wait_for_leader(1), 0);
}

// At the end of its Pod the URL falls silent, while the application may work on: SIGTERM and the
// proofs after it decide, neither earlier nor later.
TEST(Health, ALeaderWhoseApplicationEndsWithItsPodLeadsOn) {
  const std::string pod = "ending-application";
  Api admin("admin");
  const nlohmann::json made =
      admin.post(kPods, {{"metadata", {{"name", pod}}}, {"spec", nlohmann::json::object()}}).json();
  FakeApplication application;
  application.come_up();
  Candidates candidates(1, [&](BatonOptions& options) {
    options.pod = pod;
    options.flags = {"--app-health-url=" + application.url(),
                     "--pod-uid=" + made["metadata"]["uid"].get<std::string>()};
  });
  Baton& baton = candidates.at(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  const std::int64_t token = baton.token();
  ASSERT_EQ(admin.remove(kPods + "/" + pod).status, 200);
  application.go_down();
  EXPECT_TRUE(
      wait_until([&] { return !baton.log_lines("application ends with its Pod").empty(); }));
  let_pass(seconds(1));
  EXPECT_EQ(baton.token(), token) << baton.log();
}

}  // namespace
}  // namespace baton::test
