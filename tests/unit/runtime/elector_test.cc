// Who steps: whoever posts, unless another thread is at it.
#include "runtime/elector.h"

#include <gtest/gtest.h>

#include <future>

#include "support/process.h"
#include "unit/kube/scripted_server.h"

namespace baton::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ElectorTest : public testing::Test {
 protected:
  static election::Options options() {
    election::Options options;
    options.identity = "p0";
    options.timings = {seconds(15), seconds(12),       seconds(5),
                       seconds(2),  milliseconds(250), milliseconds(450)};
    return options;
  }

  /// Its first LIST shows another leader, and nothing else is answered: from then on all that steps
  /// it is its timer and what the tests post.
  void follow() {
    server_.then(
        kube::answer(200, R"({"kind":"LeaseList","metadata":{"resourceVersion":"9"},"items":[
        {"metadata":{"name":"billing","uid":"u","resourceVersion":"7"},
         "spec":{"holderIdentity":"p1","leaseDurationSeconds":15}}]})"));
    elector_.start();
    ASSERT_TRUE(test::wait_until(
        [this] { return board_->read().status.state == election::State::following; }));
  }

  const election::Options options_ = options();
  kube::ScriptedServer server_;
  std::shared_ptr<kube::Credentials> credentials_ =
      std::make_shared<kube::Credentials>(server_.cluster());
  std::shared_ptr<api::StatusBoard> board_ = std::make_shared<api::StatusBoard>();
  Worker worker_{"worker"};
  Observer observer_{worker_, credentials_,    nullptr, {"Lease", "shop", "billing", "", "p0", ""},
                     {},      options_.timings};
  std::function<void()> changed_ = [] {};
  std::promise<void> exited_;
  std::future<void> exit_ = exited_.get_future();
  Elector elector_{options_, boot_now(), credentials_,           {"shop", "billing", seconds(20)},
                   board_,   observer_,  [this] { changed_(); }, [this] { exited_.set_value(); }};
};

election::ApplicationHealth unhealthy(const std::string& reason) { return {false, reason}; }

TEST_F(ElectorTest, WhoPostsSteps) {
  std::atomic<std::thread::id> stepped_by;
  changed_ = [&] { stepped_by = std::this_thread::get_id(); };
  follow();
  for (int i = 0; stepped_by != std::this_thread::get_id();
       ++i) {  // unless its own thread is at it
    elector_.post(unhealthy(std::to_string(i)));
  }
}

TEST_F(ElectorTest, WhoPostsDuringAStepLeavesItToTheElectionsThread) {
  std::promise<void> step_began, step_ends;
  std::atomic<bool> is_next = false;
  changed_ = [&] {
    if (!is_next.exchange(false)) return;
    step_began.set_value();
    step_ends.get_future().wait();
  };
  follow();
  is_next = true;
  std::thread other([&] { elector_.post(unhealthy("the database is gone")); });
  step_began.get_future().wait();
  elector_.post(election::Terminate{});  // does not wait
  EXPECT_EQ(exit_.wait_for(seconds(0)), std::future_status::timeout);
  step_ends.set_value();
  exit_.wait();
  other.join();
}

TEST_F(ElectorTest, WhatIsPostedBeforeTheStartIsSteppedAfterIt) {
  elector_.post(election::Terminate{});
  EXPECT_EQ(exit_.wait_for(seconds(0)), std::future_status::timeout);
  elector_.start();
  exit_.wait();
}

}  // namespace
}  // namespace baton::runtime
