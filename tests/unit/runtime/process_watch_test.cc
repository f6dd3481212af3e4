// Real child processes under names of their own: which of them count, and what is said of them.
#include "runtime/process_watch.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <mutex>
#include <new>

#include "support/process.h"

namespace baton::runtime {
namespace {

using Presence = NamedProcesses::Presence;
using std::chrono::hours;
using std::chrono::milliseconds;
using test::wait_until;

/// Of this test program alone: others run beside it.
std::string new_name() {
  static int count = 0;
  return "t" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

class Pipe {
 public:
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out_ = Descriptor(ends[0]);
    in_ = Descriptor(ends[1]);
  }
  void write(const std::string& text) const {
    [[maybe_unused]] const auto size = ::write(in_.get(), text.data(), text.size());
  }
  void read_one() const {
    char one = 0;
    [[maybe_unused]] const auto size = ::read(out_.get(), &one, 1);
  }
  /// All that others write until none of them can any more.
  std::string read_all() {
    in_ = Descriptor();
    std::string text;
    char part[256];
    for (ssize_t size = 0; (size = ::read(out_.get(), part, sizeof part)) > 0;) {
      text.append(part, static_cast<std::size_t>(size));
    }
    return text;
  }

 private:
  Descriptor out_, in_;
};

/// A process of this name, from construction until it is ended.
class Child {
 public:
  /// `then` runs in it once it has the name.
  explicit Child(const std::string& name, const std::function<void()>& then = ::pause) {
    const Pipe ready;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::prctl(PR_SET_NAME, name.c_str());
      ready.write(".");
      then();
      ::_exit(0);
    }
    ready.read_one();
  }
  ~Child() { end(); }
  void end() {
    exit_unreaped();
    ::waitpid(pid_, nullptr, 0);
  }
  void exit_unreaped() const {
    siginfo_t info{};
    const int flags = WEXITED | WNOHANG | WNOWAIT;
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, flags) != 0) return;  // reaped before
    ::kill(pid_, SIGKILL);
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }

 private:
  pid_t pid_ = -1;
};

/// What it says once the machine's other processes leave it time to be certain.
Presence look(NamedProcesses& processes) {
  Presence seen = Presence::unknown;
  wait_until([&] { return (seen = processes.look()) != Presence::unknown; });
  return seen;
}

TEST(NamedProcesses, CountFromTheirStartToTheEndOfTheLast) {
  const std::string name = new_name();
  NamedProcesses processes(name);
  EXPECT_EQ(look(processes), Presence::none);
  EXPECT_EQ(processes.why_not(), "no process is named " + name);
  Child first(name);
  EXPECT_EQ(processes.look(), Presence::some);
  Child second(name), other(name + "x");
  EXPECT_EQ(processes.look(), Presence::some);
  second.end();
  EXPECT_EQ(processes.look(), Presence::some) << "one of two has ended";
  first.end();
  EXPECT_EQ(look(processes), Presence::none);
}

TEST(NamedProcesses, OneThatStartedUnseenCountsWhenThoseHeldHaveEnded) {
  const std::string name = new_name();
  NamedProcesses processes(name);
  Child first(name);
  EXPECT_EQ(processes.look(), Presence::some);
  Child second(name);
  first.end();
  EXPECT_EQ(processes.look(), Presence::some);
}

TEST(NamedProcesses, OneThatBecomesAnotherProgramCountsUntilItExits) {
  const std::string name = new_name();
  NamedProcesses processes(name);
  Pipe order, until_exec;
  Child child(name, [&] {
    order.read_one();
    ::execl("/bin/sleep", "sleep", "infinity", nullptr);
  });
  EXPECT_EQ(processes.look(), Presence::some);
  order.write(".");
  until_exec.read_all();
  NamedProcesses anew(name);
  EXPECT_EQ(look(anew), Presence::none) << "it has not changed its name";
  EXPECT_EQ(processes.look(), Presence::some);
  child.end();
  EXPECT_EQ(look(processes), Presence::none);
}

TEST(NamedProcesses, OneThatHasExitedCountsNoMoreThoughItIsNotReaped) {
  const std::string name = new_name();
  NamedProcesses processes(name);
  const Child child(name);
  EXPECT_EQ(processes.look(), Presence::some);
  child.exit_unreaped();
  EXPECT_EQ(look(processes), Presence::none);
}

TEST(NamedProcesses, TheOwnProcessDoesNotCount) {
  char before[16] = {};
  ::prctl(PR_GET_NAME, before);
  const std::string name = new_name();
  ::prctl(PR_SET_NAME, name.c_str());
  NamedProcesses processes(name);
  EXPECT_EQ(look(processes), Presence::none);
  ::prctl(PR_SET_NAME, before);
}

// Each of them leaves a child of its name and exits, so that one of them lives at every moment.
TEST(NamedProcesses, ARelayIsNotOverBeforeItsLastRunnerIs) {
  constexpr int kRunners = 500;
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  void* shared = ::mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& is_over = *new (shared) std::atomic<bool>(false);
  const std::string name = new_name();
  NamedProcesses processes(name);
  Child first(name, [&] {
    for (int i = 1; i < kRunners; ++i) {
      if (::fork() != 0) ::_exit(0);
    }
    is_over = true;
  });
  Presence seen = Presence::some;
  do {
    seen = processes.look();
    EXPECT_TRUE(seen != Presence::none || is_over);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  } while (!HasFailure() && seen != Presence::none);
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  ::munmap(shared, sizeof(std::atomic<bool>));
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/// Runs `body` as the first process of a PID namespace, with namespaces of `flags` beside it; ""
/// where this is not allowed. What it writes to the pipe comes back.
std::string in_namespace(int flags, const std::function<void(const Pipe&)>& body) {
  Pipe said;
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int user = ::geteuid() == 0 ? 0 : CLONE_NEWUSER;
    if (::unshare(CLONE_NEWPID | user | flags) != 0) ::_exit(0);
    const pid_t first = ::fork();
    if (first == 0) {
      body(said);
      ::_exit(0);
    }
    ::waitpid(first, nullptr, 0);
    ::_exit(0);
  }
  const std::string text = said.read_all();
  ::waitpid(pid, nullptr, 0);
  return text;
}

TEST(NamedProcesses, WhereTheNamespaceIsNotSharedTheReasonNamesTheMend) {
  const std::string name = new_name();
  const std::string said = in_namespace(0, [&](const Pipe& pipe) {
    NamedProcesses processes(name);
    processes.look();
    pipe.write(processes.why_not());
  });
  if (said.empty()) GTEST_SKIP() << "may not make a PID namespace";
  EXPECT_EQ(said, "no process is named " + name +
                      ", and this container sees its own only: set shareProcessNamespace: true in "
                      "the Pod");
}

// What is not shown may live.
TEST(NamedProcesses, WhereProcHidesProcessesNothingIsCertain) {
  const std::string said = in_namespace(CLONE_NEWNS, [](const Pipe& pipe) {
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("proc", "/proc", "proc", 0, "hidepid=2") != 0) return;
    const pid_t pid = ::fork();
    if (pid == 0 && ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0) {
      NamedProcesses processes("anything");
      const bool is_unknown = processes.look() == Presence::unknown;
      pipe.write((is_unknown ? "unknown: " : "certain: ") + processes.why_not());
    }
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
  });
  if (said.empty()) GTEST_SKIP() << "may not mount /proc or change its user";
  EXPECT_EQ(said, "unknown: /proc does not show all processes; mount it without hidepid");
}

class ProcessWatchTest : public testing::Test {
 protected:
  /// By default nothing wakes it but exits and changed().
  void watch(Duration period = hours(1)) {
    watch_ = std::make_unique<ProcessWatch>(
        name_,
        [this](const election::ApplicationHealth& health) {
          const std::lock_guard lock(mutex_);
          told_.push_back(health.healthy ? "healthy" : health.reason);
        },
        [this] {
          const std::lock_guard lock(mutex_);
          ++looks_;
          return drained_;
        },
        [this](const std::string& term_id) {
          const std::lock_guard lock(mutex_);
          ended_ += term_id + " ";
        },
        period);
  }
  std::string told() {
    const std::lock_guard lock(mutex_);
    return told_.back();
  }
  std::string ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  int looks() {
    const std::lock_guard lock(mutex_);
    return looks_;
  }
  /// Returns when it has looked once more from beginning to end.
  void drain(const std::string& term_id) {
    {
      const std::lock_guard lock(mutex_);
      drained_ = term_id;
    }
    for (int i = 0; i < 2; ++i) {
      const int before = looks();
      watch_->changed();
      ASSERT_TRUE(wait_until([&] { return looks() > before; }));
    }
  }
  bool proves(const std::string& terms) {
    return wait_until([&] {
      watch_->changed();
      return ended() == terms;
    });
  }
  bool hears(const std::string& text) {
    return wait_until([&] { return told() == text; });
  }

  const std::string name_ = new_name();
  const std::string none_ = "no process is named " + name_;
  std::mutex mutex_;
  std::vector<std::string> told_;
  std::string drained_, ended_;
  int looks_ = 0;
  std::unique_ptr<ProcessWatch> watch_;  // first to go
};

TEST_F(ProcessWatchTest, TellsOfProcessesThatComeAndGo) {
  watch(milliseconds(5));
  EXPECT_EQ(told(), none_);
  for (int i = 0; i < 2; ++i) {
    Child child(name_);
    EXPECT_TRUE(hears("healthy"));
    child.end();
    EXPECT_TRUE(hears(none_));
  }
  watch_.reset();
  EXPECT_EQ(told_, (std::vector<std::string>{none_, "healthy", none_, "healthy", none_}));
}

// A restarted sidecar goes on with its Pod's term (R19).
TEST_F(ProcessWatchTest, TellsOfAProcessThatIsThereBeforeItBegins) {
  const Child child(name_);
  watch();
  EXPECT_EQ(told(), "healthy");
}

TEST_F(ProcessWatchTest, HearsOfTheLastExitWithoutAsking) {
  Child first(name_), second(name_);
  watch();
  first.end();
  drain("");
  EXPECT_EQ(told(), "healthy") << "one of two has ended";
  second.end();
  EXPECT_TRUE(hears(none_));
}

TEST_F(ProcessWatchTest, TheEndIsTheProofOfEachDrainedTermOnce) {
  Child child(name_);
  watch();
  drain("term-1");
  EXPECT_EQ(ended(), "");
  child.end();
  EXPECT_TRUE(hears(none_));
  EXPECT_TRUE(proves("term-1 "));
  drain("term-1");
  drain("");
  drain("term-2");
  EXPECT_TRUE(proves("term-1 term-2 "));
  drain("term-2");
  EXPECT_EQ(ended(), "term-1 term-2 ");
}

TEST_F(ProcessWatchTest, ATermThatIsNotDrainedIsNotProvenToHaveEnded) {
  Child child(name_);
  watch();
  child.end();
  EXPECT_TRUE(hears(none_));
  drain("");
  EXPECT_EQ(ended(), "");
}

TEST_F(ProcessWatchTest, TheEndOfOneOfTwoIsNoProof) {
  Child first(name_), second(name_);
  watch();
  drain("term");
  first.end();
  drain("term");
  EXPECT_EQ(ended(), "");
  EXPECT_EQ(told(), "healthy");
}

TEST_F(ProcessWatchTest, BeforeAProcessWasFoundNothingIsProven) {
  watch();
  drain("term");
  EXPECT_EQ(ended(), "");
}

}  // namespace
}  // namespace baton::runtime
