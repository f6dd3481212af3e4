#include "runtime/recorder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/lease_codec.h"
#include "observe/codec.h"
#include "unit/observe/recorded_world.h"

namespace baton::runtime {
namespace {

using observe::Checkpoint;

// Steps come a hundred times faster than they can be written: what finds the queue full is a gap
// that the recording names, and what comes after it replays.
TEST(Recorder, AFullQueueLeavesAGapThatReplaysOver) {
  const std::string path = observe::testing::fresh_path("queue");
  Instant now = election::testing::kStart;
  election::Election election(election::testing::options_of("a"), now);
  auto recorder = Recorder::open(path, {"worker", "team", "a"}, election);
  ASSERT_TRUE(recorder.ok()) << recorder.error();
  constexpr std::int64_t kSteps = 20'000;
  for (int i = 0; i < kSteps; ++i) {
    now += std::chrono::milliseconds(1);
    const election::Step step = election.step(election::Tick{}, now, kLongAgo);
    (*recorder)->stepped(
        {election::Tick{}, now, kLongAgo, observe::digest(step, election.status())}, election);
  }
  recorder->reset();

  const auto recording = observe::read_recording(path);
  ASSERT_TRUE(recording.ok()) << recording.error();
  EXPECT_EQ(replay(*recording, [](const auto&, const auto&, const auto&) {}), "");
  std::int64_t missed = 0, steps = 0;
  for (const auto& entry : recording->entries) {
    const auto* checkpoint = std::get_if<Checkpoint>(&entry.content);
    missed += checkpoint != nullptr ? checkpoint->missed : 0;
    steps += checkpoint == nullptr ? 1 : 0;
  }
  EXPECT_GT(missed, 0);
  EXPECT_GT(steps, 0);
  EXPECT_LE(missed + steps, kSteps);
}

// A received Lease keeps all of its object for the next write; none but the rules' part is
// recorded.
TEST(Recorder, IsNotGivenWhatNoRuleLooksAt) {
  const auto lease = kube::decode_lease(R"({"metadata":{"name":"web","uid":"u",
      "labels":{"team":"others"},"annotations":{"note":"others","baton/term":"ours"},
      "managedFields":[{"manager":"others"}]},"spec":{"holderIdentity":"a"}})");
  ASSERT_TRUE(lease.ok()) << lease.error();
  ASSERT_NE(kube::received(*lease).dump().find("others"), std::string::npos);
  const std::string text = observe::to_json(election::Event(election::Written{1, *lease})).dump();
  EXPECT_EQ(text.find("others"), std::string::npos) << text;
  EXPECT_NE(text.find("ours"), std::string::npos) << text;
}

}  // namespace
}  // namespace baton::runtime
