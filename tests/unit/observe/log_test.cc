#include "observe/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace baton::observe {
namespace {

using nlohmann::json;

class LogTest : public testing::Test {
 protected:
  void TearDown() override {
    set_level(Level::info);
    set_common_fields({});
  }
  // The one line that `work` wrote; "" if none.
  template <typename Work>
  std::string line_of(Work work) {
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, OneObjectALine) {
  const std::string line = line_of([] {
    log(Level::warning, "write \"unsettled\"",
        {{"reason", "a\nb\xff"}, {"version", 7}, {"took_ms", 1.5}, {"held", true}});
  });
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const json object = json::parse(line);
  EXPECT_EQ(object["level"], "warning");
  EXPECT_EQ(object["msg"], "write \"unsettled\"");
  EXPECT_EQ(object["reason"], "a?b?");
  EXPECT_EQ(object["version"], 7);
  EXPECT_EQ(object["took_ms"], 1.5);
  EXPECT_EQ(object["held"], true);
  EXPECT_GT(object["boottime_ns"], 0);
  EXPECT_EQ(object["time"].get<std::string>().size(), 27U);
}

TEST_F(LogTest, LevelAndCommonFields) {
  set_common_fields({{"election", "web"}});
  EXPECT_EQ(line_of([] { log(Level::debug, "hidden"); }), "");
  set_level(Level::debug);
  const json object = json::parse(line_of([] { log(Level::debug, "shown"); }));
  EXPECT_EQ(object["election"], "web");
}

TEST_F(LogTest, ALongLineIsCutAndStaysJson) {
  const std::string line = line_of([] {
    const std::string text(5000, '"');
    log(Level::info, text, {{"a", text}, {"b", text}, {"c", text}});
  });
  EXPECT_LE(line.size(), static_cast<std::size_t>(PIPE_BUF));
  const json object = json::parse(line);
  EXPECT_EQ(object["cut"], true);
  EXPECT_FALSE(object.contains("c"));
}

// R15: nothing may delay a renewal, a log that nobody reads included.
TEST_F(LogTest, APipeThatNobodyReadsBlocksNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  const std::string text(900, 'x');
  for (int i = 0; i < 1000; ++i) log(Level::info, text);
  ASSERT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  std::string buffer(65536, '\0');
  while (read(ends[0], buffer.data(), buffer.size()) > 0) {
  }
  log(Level::info, "room again");
  dup2(saved, STDERR_FILENO);
  const ssize_t size = read(ends[0], buffer.data(), buffer.size());
  close(ends[0]);
  close(ends[1]);
  close(saved);
  ASSERT_GT(size, 0);
  const json object = json::parse(buffer.substr(0, static_cast<std::size_t>(size)));
  EXPECT_EQ(object["msg"], "room again");
  EXPECT_GT(object["lines_dropped"], 0);
}

}  // namespace
}  // namespace baton::observe
