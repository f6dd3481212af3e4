// `baton replay`: what it prints and draws, and what it refuses.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/text.h"
#include "unit/cli/fake_sidecar.h"
#include "unit/observe/recorded_world.h"
#include "unit/observe/with_sums.h"

namespace baton::cli {
namespace {

using observe::testing::fresh_path;
using observe::testing::RecordedWorld;
using observe::testing::write_all;
using test::holds;
using test::text_of;

std::string record(const std::string& identity) {
  std::string path = fresh_path(identity);
  RecordedWorld recorded(path, identity);
  recorded.world.run_for(std::chrono::seconds(7));
  recorded.runner.feed(election::Terminate{});
  recorded.world.run_for(std::chrono::seconds(20));
  return path;
}

TEST(Replay, PrintsEachDecisionWithItsRule) {
  const Outcome outcome = run_cli({"replay", record("a")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part :
       {"a, election worker in team, baton " BATON_VERSION "\n", "> time passes\n",
        "  LIST [R10]\n", "> LIST shows version 1001, released, token 41, term old as of 1001\n",
        "  attempt ", "(released by its holder (R4))\n", "  PUT acquire over 1001 ",
        " token=1001 [R1, R7, R8]\n", " [R2]\n", "  is leading, token 1001\n",
        "  PUT renew over 1002 ", " [R9, R15]\n", "> SIGTERM\n", "(terminating)\n",
        "  PUT release over ", " with mark", " [R12]\n", "  EXIT\n",
        "note: the process ended in an orderly way\n"}) {
    EXPECT_TRUE(holds(outcome.out, part)) << part << "\n" << outcome.out;
  }
}

TEST(Replay, SaysThatARecordingEndsEarly) {
  const std::string path = record("early");
  const std::string text = text_of(path);
  const std::size_t last = text.rfind('\n', text.size() - 2) + 1;
  write_all(path, text.substr(0, last));
  EXPECT_TRUE(run_cli({"replay", path})
                  .out.ends_with("\nnote: the recording ends here: the process was killed, or the "
                                 "file was copied while it ran\n"));
}

// Never a wrong replay: what is whole is told or drawn, and that it is not all.
TEST(Replay, ATornRecordingIsToldUpToThereAndReported) {
  const std::string path = record("torn");
  const std::string text = text_of(path);
  write_all(path, text.substr(0, text.rfind('\n', text.size() - 2) + 10));
  const std::string error = "baton: replay: " + path +
                            ": ends in the middle of a line, and was replayed up to there; copy it "
                            "anew from where it was recorded\n";
  const Outcome told = run_cli({"replay", path});
  EXPECT_EQ(told.code, 2);
  EXPECT_EQ(told.err, error);
  EXPECT_TRUE(holds(told.out, "  is leading, token 1001\n")) << told.out;
  EXPECT_FALSE(holds(told.out, "  EXIT\n")) << told.out;
  const Outcome drawn = run_cli({"replay", "--svg", path + ".svg", path});
  EXPECT_EQ(drawn.code, 2);
  EXPECT_EQ(drawn.err, error);
  EXPECT_TRUE(holds(text_of(path + ".svg"), "</svg>"));
}

TEST(Replay, PrintsTheLastOfIt) {
  const std::string path = record("last");
  const std::string out = run_cli({"replay", "--last=1ms", path}).out;
  EXPECT_TRUE(holds(out, "EXIT")) << out;
  EXPECT_FALSE(holds(out, "acquire")) << out;
}

TEST(Replay, RefusesWithOneLine) {
  const std::string path = record("refused");
  std::string text = text_of(path);
  text[text.size() / 2] ^= 1;
  write_all(path, text);
  const std::string out = fresh_path("out");
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"replay"}, "baton: replay: needs a FILE that baton run --record has written\n"},
      {{"replay", path}, "is not as baton wrote it"},
      {{"replay", "--svg", out, path}, "is not as baton wrote it"},
      {{"replay", "/nowhere"}, "baton: replay: /nowhere: No such file or directory\n"},
      {{"replay", "/tmp"}, "baton: replay: /tmp: is a directory; name the file in it\n"},
      {{"replay", "--last=5", path}, "--last: \"5\": a duration is a number and a unit"},
      {{"replay", "--svg", "/nowhere/out", record("fine")},
       "baton: replay: --svg: \"/nowhere/out\": No such file or directory; name a file in a folder "
       "that can be written\n"},
  };
  for (const auto& [arguments, error] : cases) {
    const Outcome outcome = run_cli(arguments);
    EXPECT_EQ(outcome.code, 2) << error;
    EXPECT_TRUE(holds(outcome.err, error)) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Replay, DrawsSeveralOnOneAxis) {
  const std::string out = fresh_path("drawn.svg");
  const Outcome outcome = run_cli({"replay", "--svg", out, record("one"), record("two")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");  // one host: nothing to say about clocks
  const std::string svg = text_of(out);
  for (const char* part : {"<svg ", "election worker in team", ">one<", ">two<", "token 1001",
                           "PUT acquire over 1001", "released the term"}) {
    EXPECT_TRUE(holds(svg, part)) << part;
  }
}

// Two hosts: the second one's CLOCK_BOOTTIME was an hour further at the same wall clock time.
TEST(Replay, AlignsHostsByTheirWallClocks) {
  const std::string here = record("here"), there = record("there");
  const auto drawn = [&] {
    const std::string out = fresh_path("aligned.svg");
    const Outcome outcome = run_cli({"replay", "--last=1m", "--svg", out, here, there});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out + text_of(out);
  };
  const auto releases = [](const std::string& svg) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = svg.find("released the term", at)) != svg.npos; ++at) ++count;
    return count;
  };
  const std::string one_host = drawn();
  EXPECT_EQ(releases(one_host), 2U);
  EXPECT_FALSE(holds(one_host, "another host"));

  std::string text = text_of(there);
  for (const char* key : {R"("boot":")", R"("boottime_ns":)"}) {
    const auto at = text.find(key) + std::string_view(key).size();
    const auto end = text.find_first_of("\",", at);
    const std::string old = text.substr(at, end - at);
    const bool is_time = key[5] == 't';
    text.replace(at, end - at,
                 is_time ? std::to_string(std::stoll(old) + 3'600'000'000'000) : "b2");
  }
  write_all(there, observe::testing::with_sums(text));
  const std::string two_hosts = drawn();
  EXPECT_TRUE(two_hosts.starts_with(
      "note: there ran on another host (or before a reboot): aligned by the wall clocks, which may "
      "differ; trust no order across hosts that is closer than that\n"))
      << two_hosts;
  EXPECT_EQ(releases(two_hosts), 1U) << "that of an hour ago is cut off";
}

}  // namespace
}  // namespace baton::cli
