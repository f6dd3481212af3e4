// Processes that are stopped, starved, hung, restarted or ended at bad moments, and their clocks:
// F1 to F6, F24, F26, F28, F29.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "stage.h"

namespace baton::test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

bool is_stopped(const Process& process) {
  std::string pid, name, state;
  std::ifstream("/proc/" + std::to_string(process.pid()) + "/stat") >> pid >> name >> state;
  return state == "T";
}

TEST(F1, StoppedLeaderSaysNoOnItsFirstAnswer) {
  Stage stage({.candidates = 3});
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  stage.at(old).process().send(SIGSTOP);
  const int next = stage.leader(old);
  stage.at(old).process().send(SIGCONT);
  EXPECT_EQ(stage.at(old).get("/leader").status, 503);
  ASSERT_GE(next, 0);
  EXPECT_TRUE(stage.writes(next, 3));
}

TEST(F1, StormOfStopsNeverMakesTwo) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const auto draw = [&](int from, int to) {
    return std::uniform_int_distribution(from, to)(random);
  };
  Stage stage({.candidates = 3});
  ASSERT_GE(stage.leader(), 0);
  const std::int64_t until_ns = boottime_ns() + 12'000'000'000;
  while (boottime_ns() < until_ns) {
    const int victim = draw(0, 2);
    Process& process = draw(0, 1) == 0 ? stage.at(victim).process() : stage.application(victim);
    process.send(SIGSTOP);
    let_pass(milliseconds(draw(0, 3) == 0 ? draw(2000, 3500) : draw(10, 500)));
    process.send(SIGCONT);
  }
  const int leader = stage.leader();
  EXPECT_TRUE(leader >= 0 && stage.writes(leader, 3));
}

// The application alone is stopped between its look at the deadline and its write; its sidecar is
// cut off, another leads and writes; then it goes on. Only the store can stop it.
TEST(F2, StoppedApplicationIsRefusedByTheStore) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  stage.application(old).send(SIGUSR1);
  ASSERT_TRUE(wait_until([&] { return is_stopped(stage.application(old)); }));
  const Proxy::Fault cut_off(proxy(), stage.fault(old, {{"action", "partition"}}));
  const int next = stage.leader(old);
  ASSERT_TRUE(next >= 0 && stage.writes(next, 3));
  stage.application(old).send(SIGCONT);
  const std::string name = "a" + std::to_string(old);
  EXPECT_TRUE(wait_until([&] { return stage.store().count(name, false) > 0; }));
  const Report report = stage.check();
  EXPECT_GE(report.refused_writes, 1U);
  EXPECT_GE(report.corruptions, 1U);
}

TEST(F3, PodThatIsFrozenAndOneThatIsStarved) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  stage.application(old).send(SIGSTOP);
  stage.at(old).process().send(SIGSTOP);
  const int next = stage.leader(old);
  stage.at(old).process().send(SIGCONT);
  stage.application(old).send(SIGCONT);
  ASSERT_TRUE(next >= 0 && stage.writes(next, 3));
  // A twentieth of the time is left to it, as under a hard CPU limit.
  for (int i = 0; i < 40; ++i) {
    stage.at(next).process().send(SIGSTOP);
    let_pass(milliseconds(95));
    stage.at(next).process().send(SIGCONT);
    let_pass(milliseconds(5));
  }
  const int last = stage.leader();
  EXPECT_TRUE(last >= 0 && stage.writes(last, 3));
}

Process::Environment with_wrong_clock(const std::string& name, const std::string& value) {
  return {{"LD_PRELOAD", preloaded("wrong_clock")},
          {name, value},
          {"WRONG_RATE_FROM_NS", std::to_string(boottime_ns())}};
}

// A paused machine believes on by its own clocks once it goes on, while word from the API server is
// late: two lead then, since I1 is not promised. I3 is: the store refuses the lower token.
TEST(F4, AMachinePausedWithItsClocksIsRefusedByTheStore) {
  const std::string folder = make_folder("paused") + "/";
  const auto show_pause = [&](const std::string& pod, std::int64_t ns) {
    std::fstream(folder + pod).write(reinterpret_cast<const char*>(&ns), sizeof ns);
  };
  Stage stage({.change = [&](BatonOptions& options) {
    std::ofstream(folder + options.pod).flush();
    show_pause(options.pod, 0);
    options.environment = with_wrong_clock("WRONG_PAUSE", folder + options.pod);
    options.profile = "balanced";  // a yes is out for 11 s at least, however slow this machine is
    options.flags = {"--renew-period=1s"};
  }});
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  Process* const machine[] = {&stage.at(old).process(), &stage.application(old)};
  const Proxy::Fault late(proxy(), stage.fault(old, {{"action", "partition"}}));
  for (Process* process : machine) {
    process->send(SIGSTOP);
    ASSERT_TRUE(wait_until([&] { return is_stopped(*process); }));
  }
  const std::int64_t from_ns = boottime_ns();
  const int next = stage.leader(old);
  ASSERT_TRUE(next >= 0 && stage.writes(next, 3));
  show_pause(stage.at(old).name(), boottime_ns() - from_ns);
  for (Process* process : machine) {
    process->send(SIGCONT);
  }
  EXPECT_TRUE(stage.at(old).leads() && stage.at(next).leads());
  const std::string name = "a" + std::to_string(old);
  EXPECT_TRUE(wait_until([&] { return stage.store().count(name, false) > 0; }));
  const Report report = stage.check();
  EXPECT_GE(report.refused_writes, 1U);
  EXPECT_GE(report.corruptions, 1U);
}

TEST(F5, WallClockThatJumpsHasNoEffect) {
  Stage stage({.change = [](BatonOptions& options) {
    unhurried(options);
    options.environment = with_wrong_clock("WRONG_WALL_CLOCK_S", "3600");
  }});
  const int leader = stage.leader();
  ASSERT_GE(leader, 0);
  EXPECT_TRUE(stage.renews(leader, 4));
  EXPECT_EQ(stage.terms(), 1U);
  Api admin("admin");
  const std::string renewed =
      admin.get(kLeases + "/" + stage.election()).json()["spec"].value("renewTime", "");
  EXPECT_TRUE(stage.renews(leader, 1));
  EXPECT_NE(admin.get(kLeases + "/" + stage.election()).json()["spec"].value("renewTime", ""),
            renewed);
}

// One clock runs a tenth too slow, the other a tenth too fast; each in turn is cut off as leader.
TEST(F6, ClockRatesATenthOffEachWay) {
  const std::int64_t from_ns = boottime_ns();
  const auto rate = [](const std::string& pod) { return pod.starts_with("p0") ? 0.9 : 1.1; };
  const auto in_true_time = [&](const NamedLog& log) {
    std::ostringstream text;
    std::istringstream lines(log.text);
    for (std::string line; std::getline(lines, line);) {
      json object = json::parse(line, nullptr, false);
      for (const char* key : {"boottime_ns", "decided_boottime_ns", "published_boottime_ns",
                              "deadline_boottime_ns"}) {
        if (object.is_object() && object.value(key, std::int64_t{0}) > from_ns) {
          const auto since = static_cast<double>(object[key].get<std::int64_t>() - from_ns);
          object[key] = from_ns + static_cast<std::int64_t>(since / rate(log.who));
        }
      }
      text << object.dump() << "\n";
    }
    return text.str();
  };
  Stage stage({.with_applications = false,
               .change =
                   [&](BatonOptions& options) {
                     options.environment =
                         with_wrong_clock("WRONG_RATE", std::to_string(rate(options.pod)));
                     options.environment["WRONG_RATE_FROM_NS"] = std::to_string(from_ns);
                   },
               .in_true_time = in_true_time});
  for (int round = 0; round < 4; ++round) {
    const int old = stage.leader();
    ASSERT_TRUE(old >= 0 && stage.renews(old, 1));
    const Proxy::Fault cut_off(proxy(), stage.fault(old, {{"action", "partition"}}));
    ASSERT_GE(stage.leader(old), 0);
  }
}

// A name used again by another Pod waits; the same Pod's sidecar is a new term too.
TEST(F24, NameUsedAgainIsNoProof) {
  std::string uid = fresh_uid();
  Stage stage({.candidates = 1, .change = [&](BatonOptions& options) {
                 unhurried(options);
                 options.flags.push_back("--pod-uid=" + uid);
               }});
  ASSERT_EQ(stage.leader(), 0);
  for (const std::string& next : {uid, fresh_uid()}) {
    const std::int64_t token = stage.at(0).token();
    ASSERT_TRUE(stage.renews(0, 1));  // its log tells of the term; the kill may come before that
    uid = next;
    stage.candidates().restart(0);
    ASSERT_EQ(stage.leader(), 0);
    EXPECT_GT(stage.at(0).token(), token);
    EXPECT_TRUE(stage.writes(0, 3));
  }
  EXPECT_EQ(stage.terms(), 3U);
  EXPECT_GE(stage.check().waits_checked, 1U);  // I6 for the Pod with another UID
}

// More clients than the process may have open files, all waiting to be let in, while the API server
// is away for a moment: a renewal needs a file for its new connection (R15).
TEST(F26, ClientsThatTakeEveryDescriptorStopNoRenewal) {
  const std::string program = make_folder("few") + "/baton";
  std::ofstream(program) << "#!/bin/sh\nulimit -n 100\nexec " << baton_program() << " \"$@\"\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  Stage stage({.candidates = 1, .change = [&](BatonOptions& options) {
                 unhurried(options);
                 options.program = program;
               }});
  ASSERT_EQ(stage.leader(), 0);
  std::vector<std::unique_ptr<http::Connection>> crowd;
  for (int i = 0; i < 200; ++i) {
    const std::uint16_t port = i % 2 == 0 ? stage.at(0).local_port() : stage.at(0).probe_port();
    crowd.push_back(http::Connection::make({"127.0.0.1", port, ""}, nullptr));
    crowd.back()->connect(boot_now() + std::chrono::seconds(1));
  }
  proxy().post("/listener", {{"open", false}});
  let_pass(milliseconds(2700));
  proxy().post("/listener", {{"open", true}});
  EXPECT_TRUE(stage.renews(0, 3)) << stage.at(0).log();
  EXPECT_TRUE(stage.at(0).log_lines("lost").empty()) << stage.at(0).log();
}

// The election's thread hangs while it leads: the answers end by themselves.
TEST(F28, HungElectionLosesItsTermByTheClock) {
  Stage stage({.change = [](BatonOptions& options) {
    options.program = baton_program() + "-failpoints";
    options.environment["FAILPOINT"] = "belief_published:sleep:6:6000";
  }});
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  EXPECT_TRUE(wait_until([&] { return !stage.at(old).leads(); }));
  const int next = stage.leader(old);
  EXPECT_GE(next, 0);
  EXPECT_TRUE(wait_until([&] {  // it goes on
    return stage.at(old).state() == "following" || stage.at(old).leads();
  }));
}

// SIGTERM, twice, while the answer to a renewal is held back: nothing is released before the last
// yes has run out, and the end comes all the same.
TEST(F29, SigtermDuringAnUnansweredRenewal) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_GE(old, 0);
  const json sequence = proxy().get("/requests").back()["sequence"];
  const Proxy::Fault held(
      proxy(), stage.fault(old, {{"action", "hold_answer"}, {"verbs", {"update"}}, {"count", 1}}));
  ASSERT_TRUE(wait_until([&] {
    for (const json& seen : proxy().get("/requests?after=" + sequence.dump())) {
      if (seen["fault"] == "hold_answer") return true;
    }
    return false;
  }));
  stage.at(old).process().send(SIGTERM);
  let_pass(milliseconds(100));
  stage.at(old).process().send(SIGTERM);
  const auto ended = stage.at(old).process().wait();
  ASSERT_TRUE(ended.has_value()) << stage.at(old).log();
  EXPECT_TRUE(!ended->by_signal && ended->code == 0) << stage.at(old).log();
  EXPECT_GE(stage.leader(old), 0);
}

// SIGKILL in the middle of a drain, as at the end of a grace period that was too short.
TEST(F29, GracePeriodTooShort) {
  Stage stage;
  const int old = stage.leader();
  ASSERT_TRUE(old >= 0 && stage.writes(old, 3));
  stage.at(old).process().send(SIGTERM);
  let_pass(milliseconds(200));
  stage.at(old).process().send(SIGKILL);
  const int next = stage.leader(old);
  EXPECT_TRUE(next >= 0 && stage.writes(next, 3));
}

}  // namespace
}  // namespace baton::test
