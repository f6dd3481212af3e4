// The formula of `baton check --measure`: from what was measured to timings, and what it says.
#include "cli/advice.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "config/load.h"
#include "config/table.h"

namespace baton::cli {
namespace {

using election::Duration;
using election::Timings;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

/// What `baton run` would say to the flags; empty: it runs with just these timings.
std::vector<std::string> refusals(const Timings& timings) {
  std::vector<std::string> arguments = words_of(flags_of(timings));
  arguments.emplace_back("--election=a");
  const config::Loaded loaded = config::load(arguments, {});
  EXPECT_EQ(flags_of(loaded.settings.timings), flags_of(timings));
  return loaded.errors;
}

std::int64_t lease_seconds(const Needs& needs) {
  const auto timings = smallest_safe(needs);
  return timings ? timings->lease_duration / seconds(1) : 0;
}

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(percentile({}, 99), Duration(0));
  EXPECT_EQ(percentile({Duration(7)}, 50), Duration(7));
  EXPECT_EQ(percentile({Duration(3), Duration(1), Duration(2)}, 50), Duration(2));
  EXPECT_EQ(percentile({Duration(4), Duration(1), Duration(2), Duration(3)}, 50), Duration(2));
  std::vector<Duration> lengths;
  for (int i = 99; i >= 1; --i) lengths.emplace_back(i);
  EXPECT_EQ(percentile(lengths, 99), Duration(99));  // the longest
  for (int i = 100; i <= 200; ++i) lengths.emplace_back(i);
  EXPECT_EQ(percentile(lengths, 50), Duration(100));
  EXPECT_EQ(percentile(lengths, 99), Duration(198));
  EXPECT_EQ(percentile(lengths, 100), Duration(200));
}

TEST(Advice, NeedsAreOfTheWritesAndOfTheSlowestAnswerOfAll) {
  const Needs needs = needs_of({.writes = {Duration(5), Duration(9)},
                                .reads = {Duration(20)},
                                .events = {Duration(400)},
                                .stall = Duration(3)});
  EXPECT_EQ(needs.p99, Duration(9));
  EXPECT_EQ(needs.slowest, Duration(20));  // no leader waits for an event
  EXPECT_EQ(needs.pause(), Duration(23));
}

TEST(Advice, AggressiveAndBalancedAreOfTheFamily) {
  EXPECT_EQ(flags_of(scaled_to(seconds(3))), flags_of(config::profiles()[0].timings));
  EXPECT_EQ(flags_of(scaled_to(seconds(15))), flags_of(config::profiles()[1].timings));
}

// Each bound exactly met, and missed by a nanosecond.
TEST(Advice, TheSmallestLeaseDurationThatFits) {
  constexpr Duration kOne(1);
  const Duration r1 = milliseconds(133), r2 = milliseconds(266);  // R at D = 1 s, 2 s
  const Duration left1 = milliseconds(334);                       // V - h - R at D = 1 s
  struct Case {
    Needs needs;
    std::int64_t lease_s;
  };
  const Case cases[] = {
      {{}, 1},
      // R >= 3 p99
      {{.p99 = r1 / 3}, 1},
      {{.p99 = r1 / 3 + kOne}, 2},
      {{.p99 = r2 / 3}, 2},
      {{.p99 = r2 / 3 + kOne}, 3},
      {{.p99 = milliseconds(400) / 3}, 3},
      {{.p99 = milliseconds(2000) / 3}, 15},
      // R >= 2 slowest
      {{.slowest = r1 / 2}, 1},
      {{.slowest = r1 / 2 + kOne}, 2},
      {{.slowest = milliseconds(200)}, 3},
      {{.slowest = seconds(1)}, 15},
      {{.slowest = seconds(240)}, 3600},
      {{.slowest = seconds(240) + kOne}, 0},
      // V - h - R >= 2 (stall + slowest)
      {{.stall = left1 / 2}, 1},
      {{.stall = left1 / 2 + kOne}, 2},
      {{.slowest = milliseconds(40), .stall = left1 / 2 - milliseconds(40)}, 1},
      {{.slowest = milliseconds(40), .stall = left1 / 2 - milliseconds(40) + kOne}, 2},
      {{.stall = milliseconds(2500)}, 15},
      {{.stall = seconds(600)}, 3600},
      {{.stall = seconds(600) + kOne}, 0},
      // A server 50 and 300 ms away
      {{.p99 = milliseconds(52), .slowest = milliseconds(60), .stall = milliseconds(2)}, 2},
      {{.p99 = milliseconds(302), .slowest = milliseconds(310), .stall = milliseconds(2)}, 7},
  };
  for (const auto& [needs, lease_s] : cases) {
    EXPECT_EQ(lease_seconds(needs), lease_s)
        << needs.p99.count() << " " << needs.slowest.count() << " " << needs.stall.count();
  }
}

TEST(Advice, EveryMemberOfTheFamilyIsAValidSetting) {
  for (seconds lease(1); lease <= seconds(3600); ++lease) {
    const Timings timings = scaled_to(lease);
    EXPECT_EQ(election::check_timings(timings), std::vector<std::string>{}) << lease.count();
    EXPECT_EQ(misfits(timings, {}), std::vector<std::string>{}) << lease.count();
    EXPECT_EQ(refusals(timings), std::vector<std::string>{}) << lease.count();
  }
}

TEST(Advice, WhateverIsMeasuredTheAdviceIsValidSafeAndTheSmallest) {
  std::mt19937_64 random(20261128);
  std::uniform_real_distribution<double> exponent(3, 11.5);  // 1 us to 5 min, and often 0
  const auto length = [&] {
    return Duration(random() % 8 == 0 ? 0
                                      : static_cast<std::int64_t>(std::pow(10, exponent(random))));
  };
  int advised = 0;
  for (int i = 0; i < 1000; ++i) {
    Needs needs{length(), length(), length()};
    needs.slowest = std::max(needs.slowest, needs.p99);
    const auto timings = smallest_safe(needs);
    if (!timings) continue;
    ++advised;
    ASSERT_EQ(refusals(*timings), std::vector<std::string>{});
    // The formula once more, as docs/tuning.md has it.
    EXPECT_GE(timings->lease_duration, 3 * timings->renew_period);
    EXPECT_GE(timings->lease_duration, 3 * needs.p99);
    EXPECT_GE(timings->request_timeout, 3 * needs.p99);
    EXPECT_GE(timings->request_timeout, 2 * needs.slowest);
    EXPECT_GE(timings->renew_deadline - timings->renew_period - timings->request_timeout,
              2 * (needs.stall + needs.slowest));
    const auto whole = std::chrono::duration_cast<seconds>(timings->lease_duration);
    if (whole > seconds(1)) {
      EXPECT_FALSE(misfits(scaled_to(whole - seconds(1)), needs).empty());
    }
    // A worse server or machine never asks for less.
    for (const Needs& worse : {Needs{needs.p99 * 2, needs.slowest * 2, needs.stall},
                               Needs{needs.p99, needs.slowest, needs.stall * 2}}) {
      const auto longer = smallest_safe(worse);
      if (longer) {
        EXPECT_GE(longer->lease_duration, timings->lease_duration);
      }
    }
  }
  EXPECT_GT(advised, 300);
}

TEST(Advice, AMisfitSaysWhatIsBelowWhat) {
  Timings timings = config::profiles()[0].timings;  // aggressive
  EXPECT_EQ(misfits(timings, {milliseconds(133), milliseconds(200), milliseconds(300)}),
            std::vector<std::string>{});
  timings.renew_period = milliseconds(1001);
  const auto reasons = misfits(timings, {milliseconds(134), milliseconds(201), milliseconds(300)});
  ASSERT_EQ(reasons.size(), 4U);
  EXPECT_EQ(reasons[0], "lease-duration is 3s, below 3 x renew-period, 3003ms");
  EXPECT_EQ(reasons[1], "request-timeout is 400ms, below 3 x p99 of the writes, 3 x 134ms = 402ms");
  EXPECT_EQ(reasons[2], "request-timeout is 400ms, below 2 x slowest answer, 2 x 201ms = 402ms");
  EXPECT_EQ(reasons[3],
            "renew-deadline - renew-period - request-timeout is 999ms, below 2 x longest pause, "
            "2 x 501ms = 1002ms");
}

std::string said(const Measured& measured, const std::vector<std::string>& flags, bool all_well) {
  std::vector<std::string> arguments = flags;
  arguments.emplace_back("--election=a");
  const config::Loaded loaded = config::load(arguments, {});
  EXPECT_EQ(loaded.errors, std::vector<std::string>{});
  std::ostringstream out;
  Findings findings(out);
  describe(measured, findings);
  if (!measured.writes.empty()) advise(measured, loaded.settings, findings);
  EXPECT_EQ(findings.all_well(), all_well) << out.str();
  return out.str();
}

const Measured kFarAway{.writes = {milliseconds(52), milliseconds(60), milliseconds(51)},
                        .reads = {milliseconds(70)},
                        .events = {milliseconds(54), milliseconds(56)},
                        .stall = microseconds(800)};

TEST(Advice, SaysAllThatAPersonNeedsToCopy) {
  EXPECT_EQ(said(kFarAway, {"--replicas=4", "--lock-delay=2s"}, true),
            "ok   3 writes (PUT): p50 52ms, p99 60ms, max 60ms\n"
            "ok   1 reads (LIST), each on a new connection: p50 70ms, p99 70ms, max 70ms\n"
            "ok   2 events of the watch, from sending the write: p50 54ms, p99 56ms, max 56ms\n"
            "ok   longest pause 71ms: this process stood still for 800us, the slowest answer took "
            "70ms\n"
            "ok   profile aggressive fits\n"
            "ok   profile balanced fits\n"
            "ok   profile conservative fits\n"
            "ok   the present timings fit\n"
            "\n"
            "                                        smallest safe   present\n"
            "lease-duration D                        2s              15s\n"
            "renew-deadline V                        1600ms          12s\n"
            "renew-period h                          666ms           5s\n"
            "request-timeout R                       266ms           2s\n"
            "retry-min                               33ms            250ms\n"
            "retry-max                               60ms            450ms\n"
            "next leader after a crash: earliest     3334ms          12s\n"
            "                           latest       4302ms          17302ms\n"
            "API outage that never costs the term    598ms           4500ms\n"
            "API outage that always costs it         1600ms          12s\n"
            "writes/s, by the leader alone           1.502           0.2\n"
            "watch events/s, to 4 candidates         6.006           0.8\n"
            "\n"
            "D is the least of whole seconds with V = 4/5 D, h = D/3, R = 2/15 D, retries of D/60 "
            "to 3/100 D and\n"
            "  R = 266ms >= 3 x p99 of the writes: 3 x 60ms = 180ms\n"
            "  R = 266ms >= 2 x slowest answer: 2 x 70ms = 140ms\n"
            "  V - h - R = 668ms >= 2 x longest pause: 2 x 71ms = 142ms\n"
            "Then D >= 3 h, h + 3 R + 2 retry-max < V and 5 V <= 4 D hold too.\n"
            "\n"
            "flags: --lease-duration=2s --renew-deadline=1600ms --renew-period=666ms "
            "--request-timeout=266ms --retry-min=33ms --retry-max=60ms\n"
            "YAML:  {lease-duration: 2s, renew-deadline: 1600ms, renew-period: 666ms, "
            "request-timeout: 266ms, retry-min: 33ms, retry-max: 60ms}\n");
}

TEST(Advice, TheYamlIsAFileOfSettings) {
  const std::string text = said(kFarAway, {}, true);
  const std::string path = "/tmp/baton-advice-" + std::to_string(getpid());
  std::ofstream(path) << text.substr(text.find("YAML:") + 5);
  const config::Loaded loaded = config::load({"--election=a", "--config", path}, {});
  unlink(path.c_str());
  EXPECT_EQ(loaded.errors, std::vector<std::string>{});
  EXPECT_EQ(flags_of(loaded.settings.timings), flags_of(scaled_to(seconds(2))));
}

TEST(Advice, TimingsBelowWhatIsMeasuredAreAFailureWithTheProfileThatFits) {
  Measured slow = kFarAway;
  slow.writes.push_back(milliseconds(300));
  const std::string text = said(slow, {"--profile=aggressive"}, false);
  EXPECT_NE(text.find("note profile aggressive does not fit: request-timeout is 400ms, below 3 x "
                      "p99 of the writes, 3 x 300ms = 900ms; request-timeout is 400ms, below 2 x "
                      "slowest answer, 2 x 300ms = 600ms\nok   profile balanced fits\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nFAIL the present timings: request-timeout is 400ms, below 3 x p99 of the "
                      "writes, 3 x 300ms = 900ms; request-timeout is 400ms, below 2 x slowest "
                      "answer, 2 x 300ms = 600ms; use the profile balanced, or the smallest safe "
                      "ones below, or slower ones\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("flags: --lease-duration=7s "), std::string::npos) << text;
}

TEST(Advice, WhereNoProfileFitsNoneIsNamed) {
  Measured slow = kFarAway;
  slow.reads.push_back(seconds(3));
  const std::string text = said(slow, {}, false);
  EXPECT_NE(text.find("; use the smallest safe ones below, or slower ones\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("flags: --lease-duration=45s "), std::string::npos) << text;
  slow.stall = seconds(601);
  EXPECT_NE(said(slow, {}, false)
                .find("FAIL timings: no lease-duration up to 1h is safe here: renew-deadline - "
                      "renew-period - request-timeout is 20m, below 2 x longest pause, 2 x 604s = "
                      "1208s; mend the API server or this machine first\n"),
            std::string::npos)
      << said(slow, {}, false);
}

TEST(Advice, OfNothingMeasuredNothingIsSaid) {
  EXPECT_EQ(said({.stall = milliseconds(3)}, {}, true), "");
}

}  // namespace
}  // namespace baton::cli
