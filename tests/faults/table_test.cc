// The table of faults in README.md names tests that exist, for every number from F1 to F30.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <sstream>

#include "support/text.h"

namespace baton::test {
namespace {

TEST(Table, NamesTestsThatExist) {
  const std::filesystem::path tests = std::filesystem::path(BATON_SOURCE_FOLDER) / "tests";
  std::string sources;
  for (const char* folder : {"faults", "integration", "cluster"}) {
    for (const auto& entry : std::filesystem::directory_iterator(tests / folder)) {
      if (entry.path().extension() == ".cc") sources += text_of(entry.path());
    }
  }
  sources = std::regex_replace(sources, std::regex("\\s+"), "");
  std::istringstream table(text_of(tests / "faults" / "README.md"));
  const std::regex name("`(\\w+)\\.(\\w+)`");
  int number = 0;
  for (std::string line; std::getline(table, line);) {
    if (!line.starts_with("| F")) continue;
    EXPECT_TRUE(line.starts_with("| F" + std::to_string(++number) + " |")) << line;
    auto found = std::sregex_iterator(line.begin(), line.end(), name);
    EXPECT_TRUE(found != std::sregex_iterator() || line.find("only simulated") != std::string::npos)
        << line;
    for (; found != std::sregex_iterator(); ++found) {
      const std::string wanted = "(" + (*found)[1].str() + "," + (*found)[2].str() + ")";
      EXPECT_NE(sources.find(wanted), std::string::npos) << "no test " << found->str();
    }
  }
  EXPECT_EQ(number, 30);
}

}  // namespace
}  // namespace baton::test
