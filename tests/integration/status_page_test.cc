// The status pages of real sidecars, by the reader for C++, through hand-overs, SIGKILL and
// SIGSTOP.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "../clients/c/baton_page.h"
#include "support/candidates.h"
#include "support/cluster.h"

namespace baton::test {
namespace {

class StatusPages : public testing::Test {
 protected:
  std::string path(const std::string& pod) const { return folder_ + "/" + pod; }
  auto with_page() {
    return [this](BatonOptions& one) { one.flags = {"--status-page", path(one.pod)}; };
  }

  const std::string folder_ = make_folder_in_memory("pages");
};

std::int64_t token_of(const std::optional<Leadership>& term) {
  return term ? static_cast<std::int64_t>(term->token) : -1;
}

TEST_F(StatusPages, SayWhatTheAnswersSay) {
  Candidates candidates(1, with_page());
  Baton& baton = candidates.at(0);
  StatusPage page(path("p0"));
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  ASSERT_TRUE(wait_until([&] { return page.leadership().has_value(); }));
  // Between two renewals all three are of one deadline.
  EXPECT_TRUE(wait_until([&] {
    const auto before = page.leadership();
    const nlohmann::json said = baton.status();
    const auto after = page.leadership();
    return before && after && said["fencingToken"] == std::to_string(after->token) &&
           said["termId"] == after->term_id &&
           said["deadlineBoottimeNs"] == std::to_string(before->deadline_ns) &&
           before->deadline_ns == after->deadline_ns &&
           said["revision"] == std::to_string(after->run) + "-" + std::to_string(after->change);
  })) << baton.status().dump();
  const std::int64_t deadline_ns = page.leadership()->deadline_ns;
  EXPECT_TRUE(wait_until([&] {
    const auto term = page.leadership();
    return term && term->deadline_ns > deadline_ns;
  })) << "renewed";

  // No is there before the answer is.
  baton.post("/resign");
  EXPECT_FALSE(page.leadership());
}

TEST_F(StatusPages, NeverTwoSayYesThroughHandOversAndCrashes) {
  Candidates candidates(2, with_page());
  StatusPage pages[] = {StatusPage(path("p0")), StatusPage(path("p1"))};
  std::atomic<bool> stop{false};
  std::atomic<int> both{0}, yes{0};
  std::thread watcher([&] {
    while (!stop) {
      const auto before = pages[0].leadership();
      const auto other = pages[1].leadership();
      const auto after = pages[0].leadership();
      if (before && other && after && before->token == after->token) ++both;
      if (before || other) ++yes;
    }
  });
  std::int64_t last = 0;
  for (int round = 0; round < 4; ++round) {
    const int leader = candidates.wait_for_leader();
    ASSERT_GE(leader, 0);
    StatusPage& page = pages[leader];
    ASSERT_TRUE(wait_until([&] { return token_of(page.leadership()) > last; }));
    last = token_of(page.leadership());
    EXPECT_EQ(last, candidates.at(leader).token());
    if (round % 2 == 0) {
      candidates.at(leader).post("/resign?drained=true");
      EXPECT_FALSE(page.leadership());
    } else {
      candidates.at(leader).process().send(SIGKILL);
      candidates.at(leader).process().wait();
      // Whoever reads it goes on until the deadline, and no longer.
      const auto term = page.leadership();
      EXPECT_TRUE(wait_until([&] { return !page.leadership(); }));
      EXPECT_TRUE(!term || boottime_ns() >= term->deadline_ns);
      candidates.restart(leader);  // the same file, the same mapping
    }
  }
  stop = true;
  watcher.join();
  EXPECT_EQ(both, 0);
  EXPECT_GT(yes, 0);
}

TEST_F(StatusPages, NoIsTheFirstThingThatARestartedSidecarWrites) {
  Candidates candidates(1, with_page());
  StatusPage page(path("p0"));
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  ASSERT_TRUE(wait_until([&] { return page.leadership().has_value(); }));
  const std::int64_t token = token_of(page.leadership());
  Baton& killed = candidates.at(0);
  killed.process().send(SIGSTOP);
  EXPECT_TRUE(page.leadership());
  // A second one on the same page is turned away while the first lives, and changes nothing.
  BatonOptions second{.election = "another"};
  second.flags = {"--status-page", path("p0")};
  Baton refused(second);
  const auto end = refused.process().wait();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, 2);
  EXPECT_NE(refused.log().find("in use by another process"), std::string::npos) << refused.log();
  killed.process().send(SIGKILL);
  candidates.restart(0);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  EXPECT_TRUE(wait_until([&] { return token_of(page.leadership()) > token; }));
  candidates.at(0).process().send(SIGTERM);
  candidates.at(0).process().wait();
  EXPECT_FALSE(page.leadership());
}

TEST_F(StatusPages, AStoppedSidecarsPageEndsWithItsDeadline) {
  Candidates candidates(1, with_page());
  StatusPage page(path("p0"));
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  ASSERT_TRUE(wait_until([&] { return page.leadership().has_value(); }));
  candidates.at(0).process().send(SIGSTOP);
  const auto term = page.leadership();
  ASSERT_TRUE(term);
  // It may have written once more before it stopped: V is 2.4 s.
  EXPECT_TRUE(wait_until([&] { return !page.leadership(); }));
  EXPECT_GE(boottime_ns(), term->deadline_ns);
  candidates.at(0).process().send(SIGCONT);
}

TEST_F(StatusPages, OnDiskIsRefusedAtStartInOneLine) {
  const std::string on_disk = std::string(BATON_SOURCE_FOLDER) + "/build/status-page-on-disk";
  BatonOptions options{.election = "on-disk"};
  options.flags = {"--status-page", on_disk};
  Baton baton(options);
  const auto end = baton.process().wait();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, 2);
  const std::string log = baton.log();
  EXPECT_TRUE(log.starts_with("baton: status-page: \"" + on_disk + "\": is not on a memory-backed"))
      << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
  std::filesystem::remove(on_disk);
}

}  // namespace
}  // namespace baton::test
