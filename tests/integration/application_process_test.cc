// Section 5 (c): the application's process, seen by its name. Who has none does not contend, and a
// leader whose process ends releases at once, as proven.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/candidates.h"
#include "support/cluster.h"
#include "support/fake_application.h"

namespace baton::test {
namespace {

using nlohmann::json;

/// A program under a name of its own on this machine, which all tests share.
class Application {
 public:
  Application() : path_(make_folder("application") + "/" + name_) {
    std::filesystem::create_symlink("/bin/sleep", path_);
  }
  const std::string& name() const { return name_; }
  std::string flag() const { return "--app-process=" + name_; }
  void start() {
    process_ = std::make_unique<Process>(std::vector<std::string>{path_, "infinity"},
                                         Process::Environment{}, path_ + ".log");
  }
  void kill() { process_.reset(); }

 private:
  static std::string new_name() {
    static int count = 0;
    return "i" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  }

  const std::string name_ = new_name();
  const std::string path_;
  std::unique_ptr<Process> process_;
};

/// Each candidate with an application; profile balanced, so that a yes is out for many seconds.
class ApplicationProcess : public testing::Test {
 protected:
  Baton& first() { return candidates_.at(0); }
  Baton& second() { return candidates_.at(1); }
  json lease() { return Api("admin").get(kLeases + "/" + candidates_.election()).json(); }
  bool is_released() { return lease()["spec"].value("holderIdentity", "") == ""; }

  std::array<Application, 2> applications_;
  std::size_t next_ = 0;
  Candidates candidates_{2, [this](BatonOptions& options) {
                           options.profile = "balanced";
                           options.flags = {applications_.at(next_++ % 2).flag()};
                         }};
};

TEST_F(ApplicationProcess, WhoseProcessEndsReleasesWithTheMarkAndTheNextTermFollows) {
  const std::string why = "the application is unhealthy: no process is named ";
  EXPECT_TRUE(wait_until([&] { return first().reason() == why + applications_[0].name(); }))
      << first().reason();
  EXPECT_EQ(first().state(), "blocked");
  applications_[0].start();
  ASSERT_EQ(candidates_.wait_for_leader(), 0);
  EXPECT_EQ(second().state(), "blocked");
  const json led = first().status();
  const std::int64_t token = first().token();

  applications_[0].kill();
  ASSERT_TRUE(wait_until([&] { return is_released(); })) << first().log();
  EXPECT_LT(boottime_ns(), std::stoll(led["deadlineBoottimeNs"].get<std::string>()));
  const json released = lease();
  EXPECT_EQ(released["metadata"]["annotations"]["baton/released"],
            led["termId"].get<std::string>() + "/" +
                std::to_string(released["spec"]["leaseTransitions"].get<int>()));
  EXPECT_TRUE(wait_until([&] { return first().state() == "blocked"; })) << first().log();

  applications_[1].start();
  ASSERT_EQ(candidates_.wait_for_leader(), 1);
  EXPECT_GT(second().token(), token);
  applications_[0].start();
  EXPECT_TRUE(wait_until([&] { return first().state() == "following"; })) << first().log();
  applications_[1].kill();
  EXPECT_EQ(candidates_.wait_for_leader(1), 0);
}

// The container's main process and baton are told to end at the same time; the work takes longer.
TEST_F(ApplicationProcess, OnSigtermTheReleaseWaitsForItsEnd) {
  applications_[0].start();
  ASSERT_EQ(candidates_.wait_for_leader(), 0);
  const std::int64_t deadline_ns = first().deadline_ns();
  first().process().send(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return first().state() == "draining"; })) << first().log();
  EXPECT_FALSE(is_released());
  applications_[0].kill();
  const auto ended = first().process().wait();
  ASSERT_TRUE(ended && !ended->by_signal) << first().log();
  EXPECT_EQ(ended->code, 0);
  EXPECT_TRUE(is_released());
  EXPECT_LT(first().process().ended_ns(), deadline_ns) << first().log();
}

TEST(ApplicationHealth, TheProcessAndTheUrlMustBothBeGood) {
  Application program;
  FakeApplication url;
  Candidates candidates(1, [&](BatonOptions& options) {
    options.flags = {program.flag(), "--app-health-url=" + url.url()};
  });
  Baton& baton = candidates.at(0);
  const std::string why = "the application is unhealthy: ";
  const auto says = [&](const std::string& reason) {
    return wait_until([&] { return baton.reason().starts_with(why + reason); });
  };
  EXPECT_TRUE(says("no process is named " + program.name())) << baton.reason();
  program.start();
  EXPECT_TRUE(says(url.url())) << baton.reason();
  url.come_up();
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  program.kill();
  EXPECT_TRUE(says("no process is named " + program.name())) << baton.reason();
  EXPECT_FALSE(baton.leads());
}

}  // namespace
}  // namespace baton::test
