#include "runtime/worker.h"

#include <gtest/gtest.h>

#include <future>

namespace baton::runtime {
namespace {

using std::chrono::seconds;

TEST(Worker, RunsJobsInOrderUntilFlushed) {
  Worker worker("worker");
  std::string ran;
  for (const char job : {'a', 'b', 'c'}) worker.submit([&ran, job] { ran += job; });
  worker.flush(seconds(30));
  EXPECT_EQ(ran, "abc");
}

TEST(Worker, RunsADelayedJobWhenItIsDue) {
  Worker worker("worker");
  const Instant submitted = boot_now();
  Instant ran{};
  worker.submit([&ran] { ran = boot_now(); }, std::chrono::milliseconds(20));
  worker.flush(seconds(30));
  EXPECT_GE(ran - submitted, std::chrono::milliseconds(20));
}

TEST(Worker, ADelayedJobHoldsUpNoneThatIsDue) {
  bool has_run = false;
  Worker worker("worker");
  worker.submit([&has_run] { has_run = true; }, std::chrono::hours(1));
  std::promise<void> due;
  worker.submit([&due] { due.set_value(); });
  EXPECT_EQ(due.get_future().wait_for(seconds(30)), std::future_status::ready);
  worker.stop();
  EXPECT_FALSE(has_run);
}

TEST(Worker, DropsWhatComesWhileItIsFull) {
  Worker worker("worker");
  std::promise<void> go;
  worker.submit([wait = go.get_future().share()] { wait.wait(); });
  int taken = 0;
  while (worker.submit([] {})) ++taken;
  EXPECT_GE(taken, 63);
  EXPECT_LE(taken, 64);  // the first may have started
  go.set_value();
  worker.flush(seconds(30));
  EXPECT_TRUE(worker.submit([] {}));
}

TEST(Worker, TakesNothingAfterItsEnd) {
  Worker worker("worker");
  worker.stop();
  EXPECT_FALSE(worker.submit([] {}));
}

}  // namespace
}  // namespace baton::runtime
