#include "base/text.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ParseInteger, TakesDigitsInRangeAndNothingElse) {
  EXPECT_EQ(parse_integer("42", 0, 100), 42);
  EXPECT_EQ(parse_integer("0", 0, 100), 0);
  EXPECT_EQ(parse_integer("-3", -5, 5), -3);
  for (const char* bad : {"", "007", "+1", "-1", "1 ", " 1", "1x", "101", "99999999999999999999"}) {
    EXPECT_FALSE(parse_integer(bad, 0, 100)) << bad;
  }
}

TEST(ParseDuration, NeedsNumbersWithUnits) {
  EXPECT_EQ(parse_duration("15s"), seconds(15));
  EXPECT_EQ(parse_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("2m"), seconds(120));
  EXPECT_EQ(parse_duration("1.000000001s"), election::Duration(1'000'000'001));
  EXPECT_EQ(parse_duration("0s"), seconds(0));
  EXPECT_EQ(parse_duration("87600h"), std::chrono::hours(87600));
  for (const char* bad :
       {"", "15", "s", "1.s", ".5s", "1..5s", "-1s", "1 s", "1y", "1s2", "99999999999999999999s",
        "999999h", "1.2.3s", "1.0000000001s", "0.5ns", "87600.1h"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

// The retired leader-elector's flags are Go durations, which its scripts print like this.
TEST(ParseDuration, TakesTheCompoundFormOfGo) {
  EXPECT_EQ(parse_duration("1m30s"), seconds(90));
  EXPECT_EQ(parse_duration("1h0m0.5s"), milliseconds(3'600'500));
  EXPECT_EQ(parse_duration("1h30m"), seconds(5400));
  EXPECT_EQ(parse_duration("1.5h30m"), seconds(7200));
  EXPECT_EQ(parse_duration("1s2ms3us4ns"), election::Duration(1'002'003'004));
  for (const char* bad : {"30s1m", "1m1m", "1m30", "1m-30s", "1m 30s", "1mm30s", "m30s", "1m.5s",
                          "87600h1ns", "1h30m+1s", "1m30s."}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(FormatDuration, IsReadBackAsTheSame) {
  for (const char* text : {"15s", "250ms", "1500ms", "2m", "1h", "7us", "0s"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
}

TEST(Printable, ReplacesControlBytesAndInvalidUtf8) {
  EXPECT_EQ(printable("a\nb\x80"
                      "c"),
            "a?b?c");
  EXPECT_EQ(printable("\xC3\xA9"), "\xC3\xA9");
  EXPECT_EQ(printable(std::string(300, 'x'), 3), "xxx...");
}

TEST(Printable, TakesPlainTextWholeUpToTheLimitAndTheRestByCharacters) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("plain"), "plain");
  EXPECT_EQ(printable("plain", 5), "plain") << "no ellipsis for what fits";
  EXPECT_EQ(printable("\x7F\x01plain~ text\x1F"), "??plain~ text?");
  EXPECT_EQ(printable("ab\xC3\xA9zz", 3), "ab\xC3\xA9...") << "no half of a character";
  EXPECT_EQ(printable("a\xC3\xA9zz", 4), "a\xC3\xA9z...");
}

TEST(ReadFile, NamesThePathAndTheReason) {
  const auto missing = read_file("/does/not/exist");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error(), "/does/not/exist: No such file or directory");
}

}  // namespace
}  // namespace baton
