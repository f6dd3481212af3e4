#include "observe/recording.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <tuple>

#include "unit/observe/recorded_world.h"
#include "unit/observe/with_sums.h"

namespace baton::observe::testing {
namespace {

/// A candidate that leads, resigns and leads again.
std::string record_story(const std::string& name) {
  const std::string path = fresh_path(name);
  RecordedWorld recorded(path);
  recorded.world.run_for(seconds(12));
  recorded.runner.feed(election::Resign{});
  recorded.world.run_for(seconds(40));
  return path;
}

std::string error_of(const std::string& path) {
  const auto recording = read_recording(path);
  return recording.ok() ? "" : recording.error();
}

std::string replay_quietly(const Recording& recording) {
  return replay(recording, [](const auto&, const auto&, const auto&) {});
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line + "\n");
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

TEST(Recording, ReplaysTheSameDecisions) {
  const auto recording = read_recording(record_story("same"));
  ASSERT_TRUE(recording.ok()) << recording.error();
  EXPECT_EQ(recording->head.identity, "a");
  EXPECT_EQ(recording->head.version, BATON_VERSION);
  EXPECT_NE(recording->head.boot_id, "");
  EXPECT_FALSE(recording->is_torn);
  int gained = 0, lost = 0;
  EXPECT_EQ(replay(*recording,
                   [&](const auto&, const election::Step& step, const auto&) {
                     for (const election::Action& action : step.actions) {
                       const auto* notice = std::get_if<election::Notice>(&action);
                       if (notice == nullptr) continue;
                       gained += notice->kind == election::NoticeKind::gained ? 1 : 0;
                       lost += notice->kind == election::NoticeKind::released ? 1 : 0;
                     }
                   }),
            "");
  EXPECT_EQ(gained, 2);
  EXPECT_EQ(lost, 1);
}

TEST(Recording, IsBoundedAndEachFileReplaysByItself) {
  const std::string path = fresh_path("bounded");
  constexpr std::size_t kLimit = 80'000;
  RecordedWorld recorded(path, "a", kLimit);
  recorded.world.run_for(std::chrono::minutes(20));
  const std::size_t size = std::filesystem::file_size(path);
  const std::size_t before = std::filesystem::file_size(path + ".1");
  EXPECT_GT(before, kLimit / 2 - 1);
  EXPECT_LT(before + size, kLimit + 20'000);  // a checkpoint and a step more
  for (const std::string& each : {path, path + ".1"}) {
    const auto recording = read_recording(each);
    ASSERT_TRUE(recording.ok()) << recording.error();
    EXPECT_EQ(replay_quietly(*recording), "");
    EXPECT_EQ(recording->entries.front().line, 2U);
  }
}

TEST(Recording, GoesOnAfterAGap) {
  const std::string path = fresh_path("gap");
  RecordedWorld recorded(path);
  recorded.world.run_for(seconds(3));
  recorded.skip(true);
  recorded.world.run_for(seconds(10));
  recorded.skip(false);
  recorded.world.run_for(seconds(10));
  const auto recording = read_recording(path);
  ASSERT_TRUE(recording.ok()) << recording.error();
  EXPECT_EQ(replay_quietly(*recording), "");
  std::int64_t missed = 0;
  for (const auto& entry : recording->entries) {
    if (const auto* checkpoint = std::get_if<Checkpoint>(&entry.content))
      missed += checkpoint->missed;
  }
  EXPECT_GT(missed, 0);
}

// A byte changed anywhere: never a wrong replay.
TEST(Recording, RefusesEveryChangedByte) {
  const std::string path = fresh_path("flipped");
  {
    RecordedWorld recorded(path);
    recorded.world.run_for(seconds(6));
  }
  const std::string text = text_of(path);
  ASSERT_EQ(error_of(path), "");
  std::size_t begin = 0;
  for (const std::string& line : lines_of(text)) {
    // Some bytes of each body, fewer of the checkpoint's many digits, and all of the checksum.
    const std::size_t stride = line.size() > 3000 ? 197 : 13;
    const std::size_t end = begin + line.size();
    for (std::size_t at = begin; at < end; at += at + 30 < end ? stride : 1) {
      for (const char byte : {static_cast<char>(text[at] ^ 1), '\n'}) {
        if (byte == text[at]) continue;
        std::string changed = text;
        changed[at] = byte;
        write_all(path, changed);
        ASSERT_NE(error_of(path), "") << "byte " << at << " is " << static_cast<int>(byte);
      }
    }
    begin = end;
  }
}

TEST(Recording, RefusesLinesSwappedLeftOutAndRepeated) {
  const std::string path = record_story("swapped");
  const auto lines = lines_of(text_of(path));
  ASSERT_GT(lines.size(), 20U);
  const auto refused = [&](const std::vector<std::string>& changed, std::size_t line) {
    write_all(path, joined(changed));
    EXPECT_EQ(error_of(path),
              path + ": line " + std::to_string(line) +
                  ": is not as baton wrote it (its checksum differs): the file was changed or "
                  "damaged; copy it anew from where it was recorded");
  };
  auto swapped = lines;
  std::swap(swapped[10], swapped[11]);
  refused(swapped, 11);
  auto missing = lines;
  missing.erase(missing.begin() + 10);
  refused(missing, 11);
  auto repeated = lines;
  repeated.insert(repeated.begin() + 10, lines[10]);
  refused(repeated, 12);
  auto longer = lines;
  longer.emplace_back("\n");
  refused(longer, lines.size() + 1);
}

// Cut off anywhere after the first checkpoint: what came before counts.
TEST(Recording, EndsWhereItIsCutOff) {
  const std::string path = record_story("torn");
  const std::string text = text_of(path);
  const auto lines = lines_of(text);
  const std::size_t begun = lines[0].size() + lines[1].size();
  for (std::size_t size = begun; size <= text.size(); size += size + 300 < text.size() ? 997 : 1) {
    write_all(path, text.substr(0, size));
    const auto recording = read_recording(path);
    ASSERT_TRUE(recording.ok()) << recording.error() << " at " << size;
    const bool is_between = text[size - 1] == '\n' || text[size] == '\n';
    ASSERT_EQ(recording->is_torn, !is_between) << size;
    ASSERT_EQ(replay_quietly(*recording), "");
  }
  write_all(path, text.substr(0, begun - 2));
  EXPECT_EQ(error_of(path), path + ": ends before the first checkpoint: nothing can be replayed");
}

TEST(Recording, RefusesWhatIsNone) {
  const std::string path = fresh_path("none");
  EXPECT_EQ(error_of(path), path + ": No such file or directory");
  write_all(path, "");
  EXPECT_EQ(error_of(path), path + ": is empty: nothing was recorded");
  for (const char* text : {"\n", "text", "{\"time\":1}\n", "{}", "\xff\xff"}) {
    write_all(path, text);
    EXPECT_EQ(error_of(path),
              path + ": is no recording of baton; name a file that `baton run --record` wrote");
  }
  write_all(path, "{\"baton_recording\":1,\"x\":1}\n");
  EXPECT_EQ(error_of(path), path + ": line 1: has format 1, and this baton (" BATON_VERSION
                                   ") reads format 6; replay it with the baton that wrote it");
  EXPECT_EQ(error_of(::testing::TempDir()),
            ::testing::TempDir() + ": is a directory; name the file in it");
}

// With checksums that fit: what another baton of the same format, or a hand, might have written.
TEST(Recording, RefusesWhatNoBatonWrites) {
  const std::string path = record_story("unknown");
  const std::string text = text_of(path);
  const std::tuple<const char*, const char*, int, const char*> cases[] = {
      {R"("Tick")", R"("Unheard")", 3, "\"Unheard\" is not known"},
      {R"("step":1,"now":)", R"("step":1,"now":-)", 3, " is no whole number from 0 to "},
      {R"("step":1,"now":)", R"("step":1,"now":999999)", 3, " is no whole number from 0 to "},
      {R"("step":1,"now":)", R"("step":1,"now":1e70,"was":)", 3, "1e+70 is no whole number"},
      {R"("missed":)", R"("missed":1e70,"was":)", 2, "1e+70 is no whole number from 0 to "},
      {R"("retry_min":)", R"("retry_min":7)", 2, "above the longest"},
      {R"("replicas":2)", R"("replicas":0)", 2, "0 is no whole number from 1 to 1000"},
      {R"("state":)", R"("state":9)", 2, " is no whole number from 0 to 10"},
      {R"("write_delta":25)", R"("write_delta":2.5)", 2, " is no whole number from "},
      {R"("last_id":)", R"("last_id":-1)", 2, " is below 0"},
  };
  for (const auto& [from, to, line, why] : cases) {
    std::string changed = text;
    const auto at = changed.find(from);
    ASSERT_NE(at, changed.npos) << from;
    changed.replace(at, std::string_view(from).size(), to);
    write_all(path, with_sums(changed));
    const std::string error = error_of(path);
    EXPECT_TRUE(
        error.starts_with(path + ": line " + std::to_string(line) + ": is none of format 6 ("))
        << error;
    EXPECT_TRUE(test::holds(error, why)) << error;
  }
  write_all(path, with_sums(text));
  EXPECT_EQ(text_of(path), text);
}

TEST(Recording, SaysWhereTheReplayDiffers) {
  const std::string path = record_story("differs");
  auto recording = read_recording(path);
  ASSERT_TRUE(recording.ok());
  std::get<RecordedStep>(recording->entries[7].content).digest ^= 1;
  EXPECT_EQ(replay_quietly(*recording),
            "replay differs at line 9: it was recorded by baton " BATON_VERSION
            ", and this one (" BATON_VERSION ") decides otherwise");
}

TEST(RecordingFile, ReplacesOnlyRecordings) {
  const std::string path = fresh_path("replaces");
  { RecordedWorld first(path, "first"); }
  { RecordedWorld second(path, "second"); }
  EXPECT_EQ(read_recording(path)->head.identity, "second");
  EXPECT_EQ(read_recording(path + ".1")->head.identity, "first");

  const auto create = [](const std::string& at) {
    const auto file = RecordingFile::create(
        at, {"worker", "team", "a"},
        election::Election(election::testing::options_of("a"), election::testing::kStart));
    return file.ok() ? "" : file.error();
  };
  write_all(path, "root:x:0:0\n");
  EXPECT_EQ(create(path), "\"" + path +
                              "\": holds something else than a recording, which baton does not "
                              "move; name another file");
  EXPECT_EQ(text_of(path), "root:x:0:0\n");
  EXPECT_EQ(create(::testing::TempDir()),
            "\"" + ::testing::TempDir() + "\": is no regular file; name one that baton may create");
  EXPECT_EQ(create("/dev/full"),
            "\"/dev/full\": is no regular file; name one that baton may create");
  EXPECT_EQ(create("/nowhere/file"),
            "\"/nowhere/file\": No such file or directory; name a file in a folder that exists and "
            "can be written");
  EXPECT_EQ(
      create("/proc/file"),
      "\"/proc/file\": No such file or directory; name a file in a folder that exists and can "
      "be written");
  std::filesystem::remove(path);
  const RecordedWorld running(path);
  EXPECT_EQ(create(path), "\"" + path + "\": is being written by another baton; name another file");
}

// What a full disk does: one error, then silence; what was written before stays whole.
TEST(RecordingFile, StopsWhenNothingMoreFits) {
  const std::string path = fresh_path("full");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const election::Election start(election::testing::options_of("a"), election::testing::kStart);
  auto file = RecordingFile::create(path, {"worker", "team", "a"}, start);
  ASSERT_TRUE(file.ok());
  rlimit limit = before;
  limit.rlim_cur = std::filesystem::file_size(path) + 100;
  setrlimit(RLIMIT_FSIZE, &limit);
  const RecordedStep step{election::Tick{}, election::testing::kStart, kLongAgo, 0};
  const std::string first = (*file)->add(step), second = (*file)->add(step);
  const std::string checkpoint = (*file)->add(Checkpoint{start, 1});
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(first, "\"" + path + "\": File too large");
  EXPECT_EQ(second + checkpoint, "");
  const auto recording = read_recording(path);
  ASSERT_TRUE(recording.ok()) << recording.error();
  EXPECT_TRUE(recording->is_torn);
}

TEST(Recording, WallClocksAreRead) {
  EXPECT_EQ(wall_ns("1970-01-02T00:00:01.000002Z"), 86'401'000'002'000);
  EXPECT_EQ(wall_ns("yesterday"), 0);
  EXPECT_EQ(wall_ns("9999-01-02T00:00:01.000002Z"), 0);
}

}  // namespace
}  // namespace baton::observe::testing
