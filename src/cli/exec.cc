// Waits to lead, runs the command, ends it in time: the main thread never waits for the network.
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/feed.h"
#include "cli/leash.h"
#include "cli/local_client.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kResigned(5);  // for the answer to the last word

/// One wait for signals, time and news. Made before any other thread: the signals stay blocked in
/// all of them until the process ends, so that one that comes while baton resigns ends nothing.
class Alarm {
 public:
  Alarm()
      : timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
        bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    sigset_t watched;
    sigemptyset(&watched);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD}) {
      sigaddset(&watched, number);
      // Ignored as this process was started, they would not reach the command, nor SIGCHLD us.
      signal(number, SIG_DFL);
    }
    pthread_sigmask(SIG_BLOCK, &watched, nullptr);
    signals_ = Descriptor(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  /// Ends a wait, the next one if none runs. Any thread.
  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(bell_.get(), &one, sizeof one);
  }

  /// Until `instant`, a signal or a ring, whichever is first. Returns the signal to forward, or 0.
  int wait(Instant instant) {
    itimerspec spec{};
    if (instant != kNever) {
      const auto ns = std::max<std::int64_t>(instant.time_since_epoch().count(), 1);
      spec.it_value = {ns / 1'000'000'000, ns % 1'000'000'000};
    }
    timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
    pollfd descriptors[] = {
        {timer_.get(), POLLIN, 0}, {bell_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    poll(descriptors, std::size(descriptors), -1);
    std::uint64_t ignored = 0;
    [[maybe_unused]] auto size = read(timer_.get(), &ignored, sizeof ignored);
    size = read(bell_.get(), &ignored, sizeof ignored);
    signalfd_siginfo came{};  // stays zero if none did
    size = read(signals_.get(), &came, sizeof came);
    return came.ssi_signo == SIGCHLD ? 0 : static_cast<int>(came.ssi_signo);
  }

 private:
  const Descriptor timer_;
  const Descriptor bell_;
  Descriptor signals_;
};

class Executor {
 public:
  explicit Executor(const Call& call)
      : call_(call),
        holder_(call.arguments.get("--name")),
        feed_(call.client->twin(), holder_, [this] { alarm_.ring(); }) {}

  int run() {
    while (true) {
      const auto term = wait_for_term();
      if (!term) return 128 + signal_;
      auto child = Child::start(
          call_.arguments.words(),
          {{"BATON_FENCING_TOKEN", term->fencing_token}, {"BATON_TERM_ID", term->term_id}});
      if (!child) {
        resign(term->term_id);
        return call_.fail(kFailed, child.error());
      }
      const End end = work(*child, Leash(*term, boot_now()));
      if (!end.was_lost) {
        resign(term->term_id);
        return end.code;
      }
      if (signal_ != 0) return end.code;
      call_.fail(kFailed, "lost the leadership, ended the command; waiting to lead again");
      feed_.renew_hold();
    }
  }

 private:
  struct End {
    int code;
    bool was_lost;
  };

  /// Empty if a signal came first.
  std::optional<Document> wait_for_term() {
    while ((signal_ = alarm_.wait(kNever)) == 0) {
      const auto news = feed_.take();
      const Instant now = boot_now();
      if (news && news->is_held && news->document.leads(now) &&
          Leash(news->document, now).order(now) == Leash::Order::work) {
        return news->document;
      }
    }
    return {};
  }

  End work(Child& child, Leash leash) {
    auto obeyed = Leash::Order::work;
    while (true) {
      if (const auto code = child.poll_exit()) return {*code, obeyed != Leash::Order::work};
      if (const auto news = feed_.take()) leash.see(news->document, boot_now());
      const Instant now = boot_now();
      if (const auto order = leash.order(now); order != obeyed) {
        child.signal(order == Leash::Order::kill ? SIGKILL : SIGTERM);
        obeyed = order;
      }
      if (const int number = alarm_.wait(leash.next_change(now)); number != 0) {
        signal_ = number;
        child.signal(number);
      }
    }
  }

  void resign(const std::string& term_id) {
    const std::string name = holder_.empty() ? "" : "&name=" + percent_encoded(holder_);
    const auto answer = call_.client->call("POST", "/resign?drained=true" + name, kResigned,
                                           term_body(term_id, ""));
    if (!is_done(answer)) call_.fail(kFailed, "resign: " + describe(answer));
  }

  const Call& call_;
  const std::string holder_;
  Alarm alarm_;  // before feed_, whose thread rings it
  Feed feed_;
  int signal_ = 0;  // the last one forwarded, or that ended the wait
};

}  // namespace

int run_exec(const Call& call) {
  if (call.arguments.words().empty()) {
    return call.fail(kUsage, "needs a command; write baton exec -- COMMAND");
  }
  return Executor(call).run();
}

}  // namespace baton::cli
