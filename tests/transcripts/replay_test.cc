// Recordings of real processes (`baton run --record`): every *.recording in this folder replays as
// the text beside it says. Reviewed as diffs; BATON_REWRITE=1 in the environment writes
// down what the core decides now. A core that was changed since may decide otherwise than the one
// that recorded: the text then ends with its new decision and the line that says so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/commands.h"
#include "support/text.h"

namespace baton::cli {
namespace {

const std::filesystem::path kFolder = BATON_SOURCE_FOLDER "/tests/transcripts";

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".recording") found.push_back(entry.path().stem().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(Recordings, AreFound) { EXPECT_FALSE(names().empty()); }

class Recorded : public ::testing::TestWithParam<std::string> {};

TEST_P(Recorded, ReplaysAsWritten) {
  const std::string base = kFolder / GetParam();
  std::ostringstream out, err;
  Shell shell{out, err, {}};
  EXPECT_NE(dispatch({"replay", base + ".recording"}, shell), kUsage) << err.str();
  std::string now = out.str() + err.str();
  if (const auto path = now.find(base); path != now.npos)
    now.replace(path, base.size(), GetParam());
  if (std::getenv("BATON_REWRITE") != nullptr) std::ofstream(base + ".txt") << now;
  EXPECT_EQ(test::text_of(base + ".txt"), now)
      << "reviewed and right? BATON_REWRITE=1 writes it down";
}

INSTANTIATE_TEST_SUITE_P(Incidents, Recorded, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace baton::cli
