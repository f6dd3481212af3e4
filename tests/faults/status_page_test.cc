// A sidecar that dies in the middle of a write of its status page: readers give up and say no, and
// the next process on the same file goes on.
#include <gtest/gtest.h>

#include "../clients/c/baton_page.h"
#include "stage.h"

namespace baton::test {
namespace {

// Writes are: no at the start, then one for each step that is published; a later one is a yes.
class F23Page : public testing::TestWithParam<int> {};

TEST_P(F23Page, KilledInTheMiddleOfAWrite) {
  const std::string path = make_folder_in_memory("page") + "/status";
  bool is_first = true;
  StageOptions options{.candidates = 1};
  options.change = [&](BatonOptions& one) {
    one.flags.insert(one.flags.end(), {"--status-page", path});
    if (std::exchange(is_first, false)) {
      one.program = baton_program() + "-failpoints";
      one.environment["FAILPOINT"] = "page_half_written:kill:" + std::to_string(GetParam());
    }
  };
  Stage stage(options);
  const auto ended = stage.at(0).process().wait();
  ASSERT_TRUE(ended.has_value()) << "not killed\n" << stage.at(0).log();
  EXPECT_TRUE(ended->by_signal && ended->code == SIGKILL) << stage.at(0).log();
  StatusPage page(path);
  EXPECT_FALSE(page.leadership());
  stage.candidates().restart(0);
  ASSERT_EQ(stage.leader(), 0);
  EXPECT_TRUE(wait_until([&] {
    const auto term = page.leadership();
    return term && static_cast<std::int64_t>(term->token) == stage.at(0).token();
  }));
}

INSTANTIATE_TEST_SUITE_P(Write, F23Page, testing::Values(1, 3, 30));

}  // namespace
}  // namespace baton::test
