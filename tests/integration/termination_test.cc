// Design section 5: SIGTERM proves nothing by itself; a release needs proof that the work has
// ended. When a release reached the store is read from the devserver's request log, on the one
// clock.
#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

using nlohmann::json;

// When a write that empties the holder came in.
std::optional<std::int64_t> released_at(const std::string& election, std::int64_t after_sequence) {
  for (const dev::Seen& seen : dev::requests(after_sequence)) {
    if (seen.verb == "update" && seen.name == election && seen.holder.empty()) {
      return seen.boottime_ns;
    }
  }
  return std::nullopt;
}

// The uid of a Pod that the store now has.
std::string make_pod(const std::string& name) {
  Api admin("admin");
  const json pod = {{"metadata", {{"name", name}}},
                    {"spec", {{"terminationGracePeriodSeconds", 30}}}};
  return admin.post(kPods, pod).json()["metadata"]["uid"];
}

void expect_clean_exit(Baton& baton) {
  const auto ended = baton.process().wait();
  ASSERT_TRUE(ended.has_value()) << baton.log();
  EXPECT_FALSE(ended->by_signal);
  EXPECT_EQ(ended->code, 0) << baton.log();
}

struct Ending {
  std::int64_t handed_out_ns = 0;  // the deadline in the last yes
  std::int64_t sequence = 0;       // of the request log, when SIGTERM came
};

Ending say_yes_then_terminate(Baton& baton, const std::function<void()>& between = nullptr) {
  Ending ending;
  ending.sequence = dev::last_sequence();
  ending.handed_out_ns = baton.deadline_ns();
  EXPECT_GT(ending.handed_out_ns, 0);
  if (between) {
    between();
  }
  baton.process().send(SIGTERM);
  return ending;
}

class NoProof : public testing::TestWithParam<const char*> {};

// (e): the largest validity ever handed out has run out.
TEST_P(NoProof, NothingIsReleasedBeforeTheLastYesRanOut) {
  const std::string pod = std::string("no-proof-") + GetParam();
  // A native sidecar may look at its Pod, but here it has no right to: that is no proof.
  Candidates candidates(1, [&](BatonOptions& options) {
    options.user = "lease-only";
    options.pod = pod;
    options.flags = {std::string("--sidecar=") + GetParam(), "--pod-uid=" + make_pod(pod)};
  });
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  const Ending ending = say_yes_then_terminate(candidates.at(0));
  expect_clean_exit(candidates.at(0));
  const auto released = released_at(candidates.election(), ending.sequence);
  ASSERT_TRUE(released.has_value()) << candidates.at(0).log();
  EXPECT_GE(*released, ending.handed_out_ns);
}

INSTANTIATE_TEST_SUITE_P(Sidecar, NoProof, testing::Values("ordinary", "native"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(Termination, NothingWasHandedOutSoItReleases) {
  Candidates candidates(1);
  Baton& baton = candidates.at(0);
  ASSERT_TRUE(wait_until([&] { return !baton.log_lines("gained").empty(); }));
  const std::int64_t sequence = dev::last_sequence();
  baton.process().send(SIGTERM);
  expect_clean_exit(baton);
  EXPECT_TRUE(released_at(candidates.election(), sequence).has_value()) << baton.log();
}

// (d): the kubelet sends SIGTERM early only after the main containers have exited. Profile
// balanced, so that the yes is out for many seconds.
TEST(Termination, NativeSidecarOfADyingPodReleasesAtOnce) {
  const std::string pod = "dying";
  Candidates candidates(1, [&](BatonOptions& options) {
    options.pod = pod;
    options.profile = "balanced";
    options.flags = {"--sidecar=native", "--renew-period=1s", "--pod-uid=" + make_pod(pod)};
  });
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  Api admin("admin");
  const Ending ending = say_yes_then_terminate(candidates.at(0), [&] {
    EXPECT_EQ(admin.remove(kPods + "/" + pod).status, 200);
    const std::time_t deleted = std::time(nullptr);
    EXPECT_TRUE(wait_until([&] { return std::time(nullptr) > deleted + 1; }));
  });
  expect_clean_exit(candidates.at(0));
  const auto released = released_at(candidates.election(), ending.sequence);
  ASSERT_TRUE(released.has_value()) << candidates.at(0).log();
  EXPECT_LT(*released, ending.handed_out_ns) << candidates.at(0).log();
}

// Only this container is being replaced: the main one works on, and the successor takes over.
TEST(Termination, NativeSidecarOfALivingPodExitsWithoutReleasing) {
  const std::string pod = "living";
  const std::string uid = make_pod(pod);
  Candidates candidates(1, [&](BatonOptions& options) {
    options.pod = pod;
    options.flags = {"--sidecar=native", "--pod-uid=" + uid};
  });
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  const std::int64_t token = candidates.at(0).token();
  const Ending ending = say_yes_then_terminate(candidates.at(0));
  expect_clean_exit(candidates.at(0));
  EXPECT_FALSE(released_at(candidates.election(), ending.sequence).has_value());
  candidates.restart(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  EXPECT_GT(candidates.at(0).token(), token);  // R8, R19: a new term, a new token
}

TEST(Termination, SecondSidecarOfAPodIsRefused) {
  const std::string uid = fresh_uid();
  Candidates candidates(2, [&](BatonOptions& options) { options.flags = {"--pod-uid=" + uid}; });
  EXPECT_TRUE(wait_until([&] {
    return !candidates.at(0).process().running() || !candidates.at(1).process().running();
  }));
  Baton& refused = candidates.at(candidates.at(0).process().running() ? 1 : 0);
  const auto ended = refused.process().wait();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 2) << refused.log();
}

}  // namespace
}  // namespace baton::test
