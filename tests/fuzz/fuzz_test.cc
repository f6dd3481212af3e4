// Every file of the corpora once, under the compiler and in the tier of the unit tests: what a
// fuzzer has found stays found. A file's name says what it once broke.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "fuzz/target.h"

namespace baton::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = std::size_t{1} << 20;

class CorpusTest : public testing::Test {
 public:
  CorpusTest(const Target& target, fs::path file) : target_(target), file_(std::move(file)) {}
  void TestBody() override {
    const auto input = read_file(file_.string(), kLargestFile);
    ASSERT_TRUE(input.ok()) << input.error();
    target_.run(*input);
  }

 private:
  const Target target_;
  const fs::path file_;
};

int register_corpora() {
  const fs::path corpora = fs::path(BATON_SOURCE_FOLDER) / "tests/fuzz/corpus";
  int files = 0;
  for (const Target& target : targets()) {
    std::vector<fs::path> all;
    if (fs::is_directory(corpora / target.name)) {
      for (const auto& entry : fs::directory_iterator(corpora / target.name)) {
        all.push_back(entry.path());
      }
    }
    std::ranges::sort(all);
    for (const fs::path& file : all) {
      testing::RegisterTest(
          ("Corpus/" + target.name).c_str(), file.filename().c_str(), nullptr, nullptr, __FILE__,
          __LINE__, [target, file]() -> testing::Test* { return new CorpusTest(target, file); });
    }
    if (all.empty()) std::fprintf(stderr, "fuzz_test: %s has no corpus\n", target.name.c_str());
    files += all.empty() ? -1'000'000 : static_cast<int>(all.size());
  }
  return files;
}

}  // namespace
}  // namespace baton::fuzz

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (baton::fuzz::register_corpora() <= 0) return 1;
  return RUN_ALL_TESTS();
}
