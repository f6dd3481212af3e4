// The flight recorder of the real binary: what it has kept replays to the same decisions, whatever
// happened to the process. BATON_KEEP_RECORDINGS=FOLDER keeps the recordings there, for
// tests/transcripts.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

struct Outcome {
  int code = -1;
  std::string output;
};
Outcome run_baton(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {baton_program()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Process process(command, {}, make_folder("replay") + "/output");
  const auto ended = process.wait();
  return {ended && !ended->by_signal ? ended->code : -1, process.output()};
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

/// A process that is killed, and a full disk, may leave half a line.
void expect_replayed(const Outcome& replay) {
  const bool is_torn = count(replay.output, "ends in the middle of a line") > 0;
  EXPECT_EQ(replay.code, is_torn ? 2 : 0) << replay.output;
}

class Recorder : public testing::Test {
 protected:
  std::string recording(int index) const { return folder_ + "/p" + std::to_string(index); }
  std::function<void(BatonOptions&)> recorded() const {
    return [this](BatonOptions& options) {
      options.flags.push_back("--record=" + folder_ + "/" + options.pod);
    };
  }

  /// The replay tells the same story as the process's own log. Returns its text.
  std::string expect_same_story(Baton& baton, int index) {
    const Outcome replay = run_baton({"replay", recording(index)});
    expect_replayed(replay);
    for (const char* notice : {"gained", "lost", "released"}) {
      EXPECT_EQ(count(replay.output, std::string("   ") + notice + " "),
                baton.log_lines(notice).size())
          << notice << "\n"
          << replay.output << baton.log();
    }
    return replay.output;
  }

  /// What a process has done is in its file a moment later, unless it is killed before.
  bool wait_until_recorded(int index, std::size_t terms) const {
    return wait_until([&] {
      return count(run_baton({"replay", recording(index)}).output, "   gained ") >= terms;
    });
  }

  void keep(int index, const std::string& name) const {
    if (const char* folder = std::getenv("BATON_KEEP_RECORDINGS")) {
      std::filesystem::copy_file(recording(index), std::string(folder) + "/" + name + ".recording",
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }

 private:
  const std::string folder_ = make_folder("recordings");
};

TEST_F(Recorder, LeaderThatIsCutOff) {
  Candidates candidates(1, recorded());
  Baton& baton = candidates.at(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  {
    const dev::Fault cut_off(json{{"action", "partition"}, {"user", "candidate-0"}});
    ASSERT_TRUE(wait_until([&] { return !baton.log_lines("lost").empty(); }));
  }
  ASSERT_TRUE(wait_until_recorded(0, 2));
  baton.process().send(SIGKILL);
  baton.process().wait();
  const std::string text = expect_same_story(baton, 0);
  EXPECT_EQ(count(text, "(R2: no renewal was confirmed within the renew deadline)"), 1U) << text;
  EXPECT_EQ(count(text, "note: the recording ends here"), 1U) << text;
  keep(0, "cut_off");
}

TEST_F(Recorder, HandOverBetweenTwoIsDrawn) {
  Candidates candidates(2, recorded());
  const auto renews = [&](int index) {
    return wait_until([&] { return !candidates.at(index).log_lines("extended").empty(); });
  };
  const int first = candidates.wait_for_leader();
  ASSERT_GE(first, 0);
  ASSERT_TRUE(renews(first));
  EXPECT_EQ(candidates.at(first).post("/resign?drained=true&wait=30s").status, 200);
  const int second = candidates.wait_for_leader(first);
  ASSERT_GE(second, 0);
  ASSERT_TRUE(renews(second));
  for (int index : {first, second}) {
    Baton& baton = candidates.at(index);
    baton.process().send(SIGTERM);
    baton.process().wait();
    const std::string text = expect_same_story(baton, index);
    EXPECT_TRUE(text.ends_with("note: the process ended in an orderly way\n")) << text;
  }
  keep(first, "hand_over_from");
  keep(second, "hand_over_to");
  const std::string out = make_folder("drawn") + "/out.svg";
  const Outcome drawn = run_baton({"replay", "--svg", out, recording(first), recording(second)});
  EXPECT_EQ(drawn.code, 0);
  EXPECT_EQ(drawn.output, "");
  const std::string svg = text_of(out);
  EXPECT_EQ(count(svg, "class=\"title\""), 1U);
  EXPECT_EQ(count(svg, "began a term with"), 2U);
  EXPECT_EQ(count(svg, "two believe at once: "), 0U);
}

TEST_F(Recorder, StoppedPastTheDeadline) {
  Candidates candidates(1, recorded());
  Baton& baton = candidates.at(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  const std::int64_t deadline_ns = baton.deadline_ns() + 2'400'000'000;
  baton.process().send(SIGSTOP);
  EXPECT_TRUE(wait_until([&] { return boottime_ns() > deadline_ns; }));
  baton.process().send(SIGCONT);
  ASSERT_TRUE(wait_until([&] { return baton.leads() && baton.log_lines("gained").size() > 1; }));
  baton.process().send(SIGTERM);
  baton.process().wait();
  const std::string text = expect_same_story(baton, 0);
  EXPECT_GE(count(text, "(R2: no renewal was confirmed within the renew deadline)"), 1U) << text;
  keep(0, "stopped");
}

// The recording of the process before stays beside that of its successor.
TEST_F(Recorder, RestartKeepsTheRecordingBefore) {
  Candidates candidates(1, recorded());
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  ASSERT_TRUE(wait_until_recorded(0, 1));
  candidates.restart(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  EXPECT_EQ(run_baton({"replay", recording(0)}).code, 0);
  const Outcome before = run_baton({"replay", recording(0) + ".1"});
  EXPECT_EQ(before.code, 0);
  EXPECT_EQ(count(before.output, "   gained "), 1U) << before.output;
}

TEST_F(Recorder, CannotBeCreatedMeansExitTwo) {
  const auto kubeconfig = TestCluster::get().kubeconfig("candidate-0");
  for (const auto& [path, why] :
       {std::pair("/nowhere/file",
                  "No such file or directory; name a file in a folder that exists"),
        std::pair("/tmp", "is no regular file; name one that baton may create")}) {
    const Outcome refused =
        run_baton({"run", "--kubeconfig=" + kubeconfig, "--namespace=baton-test", "--election=e0",
                   "--local-address=off", "--probe-address=off", std::string("--record=") + path});
    EXPECT_EQ(refused.code, 2) << refused.output;
    EXPECT_TRUE(refused.output.starts_with(std::string("baton: record: \"") + path + "\": " + why))
        << refused.output;
    EXPECT_EQ(count(refused.output, "\n"), 1U) << refused.output;
  }
}

// A full disk, as far as one process sees it: the file may not grow.
TEST_F(Recorder, FullDiskStopsTheRecordingOnly) {
  const std::string path = recording(0);
  const std::uint16_t local_port = free_port();
  Process process({"/usr/bin/env", "bash", "-c",
                   "ulimit -f 16; exec " + baton_program() +
                       " run --kubeconfig=" + TestCluster::get().kubeconfig("candidate-0") +
                       " --namespace=baton-test --profile=aggressive --probe-address=off "
                       "--log-level=warning --election=" +
                       TestCluster::get().new_election() + " --local-address=127.0.0.1:" +
                       std::to_string(local_port) + " --record=" + path},
                  {}, make_folder("full") + "/log");
  LocalClient local(local_port);
  ASSERT_TRUE(wait_until([&] { return count(process.output(), "recording stopped") > 0; }))
      << process.output();
  const std::int64_t then_ns = boottime_ns();
  ASSERT_TRUE(wait_until([&] { return boottime_ns() - then_ns > 4'000'000'000; }));  // over V
  EXPECT_TRUE(wait_until([&] { return local.request("GET", "/leader").status == 200; }));
  EXPECT_EQ(count(process.output(), "recording stopped"), 1U) << process.output();
  EXPECT_EQ(count(process.output(), "File too large"), 1U) << process.output();
  expect_replayed(run_baton({"replay", path}));
}

}  // namespace
}  // namespace baton::test
