// F23: SIGKILL at every step of a write, of a belief and of a release; and SIGSTOP at the worst
// one. Each process dies in the middle, is started again as it ships, and must lead with a new
// term.
#include <gtest/gtest.h>

#include "http/client.h"
#include "stage.h"
#include "support/api.h"
#include "support/text.h"

namespace baton::test {
namespace {

struct Row {
  const char* point;
  std::vector<int> hits;  // of PUTs: 1 creates the Lease, 2 acquires it, the others renew
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.point; }

/// One election whose only candidate dies at a failpoint.
struct Doomed {
  explicit Doomed(const std::string& failpoint) {
    StageOptions options{.candidates = 1};
    options.change = [this, failpoint](BatonOptions& one) {
      if (std::exchange(is_first_, false)) {
        one.program = baton_program() + "-failpoints";
        one.environment["FAILPOINT"] = failpoint;
      }
    };
    stage = std::make_unique<Stage>(options);
  }

  std::unique_ptr<Stage> stage;

 private:
  bool is_first_ = true;
};

class F23 : public testing::TestWithParam<Row> {};

// The elections run at the same time: most of what they do is wait.
TEST_P(F23, KilledThereItLeadsAgainInANewTerm) {
  const std::string point = GetParam().point;
  std::vector<std::unique_ptr<Doomed>> all;
  for (const int hit : GetParam().hits) {
    all.push_back(std::make_unique<Doomed>(point + ":kill:" + std::to_string(hit)));
  }
  for (const auto& one : all) {
    Baton& baton = one->stage->at(0);
    if (point.starts_with("release")) {
      ASSERT_EQ(one->stage->leader(), 0);
      baton.post("/resign?drained=true");
    }
    const auto ended = baton.process().wait();
    ASSERT_TRUE(ended.has_value()) << "not killed\n" << baton.log();
    EXPECT_TRUE(ended->by_signal && ended->code == SIGKILL) << baton.log();
    one->stage->candidates().restart(0);
  }
  for (const auto& one : all) {
    ASSERT_EQ(one->stage->leader(), 0);
    EXPECT_TRUE(one->stage->writes(0, 2));
  }
}

const Row kRows[] = {
    {"write_before_send", {1, 2, 4}},  {"write_sent", {1, 2, 4}},    {"write_answered", {1, 2, 4}},
    {"belief_before_publish", {1, 5}}, {"belief_published", {1, 5}}, {"belief_before_log", {1, 2}},
    {"belief_logged", {1, 2}},         {"release_before_send", {1}}, {"release_answered", {1}},
};
INSTANTIATE_TEST_SUITE_P(Point, F23, testing::ValuesIn(kRows),
                         [](const auto& one) { return std::string(one.param.point); });

// SIGSTOP with a renewal under way: the next one leads; after SIGCONT the answer, which has long
// been there, counts for nothing.
TEST(F23Stop, StoppedWhileARenewalIsUnderWay) {
  Stage stage({.change = [](BatonOptions& options) {
    options.program = baton_program() + "-failpoints";
    options.environment["FAILPOINT"] = "write_sent:stop:5";
  }});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const int next = stage.leader(old);
  ASSERT_GE(next, 0);
  stage.at(old).process().send(SIGCONT);
  EXPECT_EQ(stage.at(old).get("/leader").status, 503);
  EXPECT_TRUE(stage.writes(next, 3));
}

// In a Job's Pod: the work has ended and nothing is deleted. The listeners know of the proof, and
// the own Pod, which says that this container alone is replaced, has been read before they tell of
// it.
TEST(SlowListeners, AProofThatIsThereComesBeforeTheEndOfTheContainer) {
  const std::string name = "slow-listeners";
  const std::string uid = Api("admin").make_pod(name, "candidate-0");
  Candidates candidates(1, [&](BatonOptions& options) {
    options.program = baton_program() + "-failpoints";
    options.environment["FAILPOINT"] = "proof_before_post:sleep:1:2000";
    options.pod = name;
    options.profile = "balanced";
    options.flags = {"--sidecar=native", "--pod-uid=" + uid};
  });
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  Baton& baton = candidates.at(0);
  const auto work = http::Connection::make({"127.0.0.1", baton.local_port(), ""}, nullptr);
  ASSERT_EQ(work->open_stream({"GET", "/leader/events?hold=true", {}, ""}, boot_now() + kBound)
                .response.status,
            200);
  work->close();
  // Once the second is answered the listener has seen the end; they give no validity away.
  for (int i = 0; i < 2; ++i) ASSERT_EQ(baton.get("/nothing").status, 404);
  baton.process().send(SIGTERM);
  const auto ended = baton.process().wait();
  ASSERT_TRUE(ended.has_value()) << baton.log();
  EXPECT_EQ(baton.log_lines("released").size(), 1U) << baton.log();
}

TEST(Failpoints, AreNotInTheProgramThatShips) {
  for (const char* word : {"FAILPOINT", "belief_before_publish", "write_sent"}) {
    EXPECT_EQ(text_of(baton_program()).find(word), std::string::npos) << word;
    EXPECT_NE(text_of(baton_program() + "-failpoints").find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace baton::test
