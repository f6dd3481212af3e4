#include "runtime/worker.h"

#include <gtest/gtest.h>

#include <future>

namespace baton::runtime {
namespace {

using std::chrono::seconds;

TEST(Worker, RunsJobsInOrderUntilFlushed) {
  Worker worker;
  std::string ran;
  for (const char job : {'a', 'b', 'c'}) worker.submit([&ran, job] { ran += job; });
  worker.flush(seconds(30));
  EXPECT_EQ(ran, "abc");
}

TEST(Worker, DropsWhatComesWhileItIsFull) {
  Worker worker;
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
  Worker worker;
  worker.stop();
  EXPECT_FALSE(worker.submit([] {}));
}

}  // namespace
}  // namespace baton::runtime
