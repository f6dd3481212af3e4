// Waits to lead, runs the command, ends it in time: the main thread never waits for the network.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "cli/child.h"
#include "cli/commands.h"
#include "cli/feed.h"
#include "cli/leash.h"
#include "cli/local_client.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kAnswer(5);
constexpr int kForwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

// What signal handlers write. One `baton exec` per process. The descriptor is never closed: a
// handler may still be running on another thread when the command is over.
std::atomic<int> wake_descriptor{-1};
std::atomic<int> pending_signal{0};

void wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_descriptor, &one, sizeof one);
}

void on_signal(int number) {
  const int error = errno;
  if (number != SIGCHLD) pending_signal = number;
  wake();
  errno = error;
}

/// Handlers and descriptors for the time of one command.
class Alarm {
 public:
  Alarm() : timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (wake_descriptor < 0) wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pending_signal = 0;
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < std::size(kForwarded); ++i) {
      sigaction(kForwarded[i], &action, &before_[i]);
    }
    sigaction(SIGCHLD, &action, &before_[std::size(kForwarded)]);
  }
  ~Alarm() {
    for (std::size_t i = 0; i < std::size(kForwarded); ++i) {
      sigaction(kForwarded[i], &before_[i], nullptr);
    }
    sigaction(SIGCHLD, &before_[std::size(kForwarded)], nullptr);
    close(timer_);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  /// Until `instant`, a signal or news, whichever is first.
  void wait(Instant instant) {
    itimerspec spec{};
    if (instant != kNever) {
      const auto ns = std::max<std::int64_t>(instant.time_since_epoch().count(), 1);
      spec.it_value = {ns / 1'000'000'000, ns % 1'000'000'000};
    }
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
    pollfd descriptors[] = {{timer_, POLLIN, 0}, {wake_descriptor, POLLIN, 0}};
    poll(descriptors, 2, -1);
    std::uint64_t ignored = 0;
    [[maybe_unused]] auto size = read(wake_descriptor, &ignored, sizeof ignored);
    size = read(timer_, &ignored, sizeof ignored);
  }

 private:
  const int timer_;
  struct sigaction before_[std::size(kForwarded) + 1]{};
};

class Executor {
 public:
  /// Two clients: one for the feed's thread.
  Executor(const Arguments& arguments, Shell& shell, LocalClient client, LocalClient feeding)
      : command_(arguments.words()),
        holder_(arguments.get("--name")),
        shell_(shell),
        client_(std::move(client)),
        feed_(std::move(feeding), holder_, wake) {}

  int run();

 private:
  struct End {
    int code;
    bool was_lost;
  };
  std::optional<Document> wait_for_term();
  End work(Child& child, Leash leash);
  void resign(const std::string& term_id);

  const std::vector<std::string> command_;
  const std::string holder_;
  Shell& shell_;
  LocalClient client_;
  Alarm alarm_;  // before feed_, whose thread wakes it
  Feed feed_;
  int signal_ = 0;  // the last one forwarded, or that ended the wait
};

/// Empty if a signal came first.
std::optional<Document> Executor::wait_for_term() {
  while (true) {
    if (signal_ == 0) signal_ = pending_signal.exchange(0);
    if (signal_ != 0) return {};
    const auto news = feed_.take();
    const Instant now = boot_now();
    if (news && news->is_held && news->document.leads(now) &&
        Leash(news->document, now).order(now) == Leash::Order::work) {
      return news->document;
    }
    if (!news) alarm_.wait(kNever);
  }
}

Executor::End Executor::work(Child& child, Leash leash) {
  auto obeyed = Leash::Order::work;
  while (true) {
    if (const auto code = child.poll_exit()) return {*code, obeyed != Leash::Order::work};
    if (const int number = pending_signal.exchange(0); number != 0) {
      signal_ = number;
      child.signal(number);
    }
    if (const auto news = feed_.take()) leash.see(news->document, boot_now());
    const Instant now = boot_now();
    if (const auto order = leash.order(now); order != obeyed) {
      child.signal(order == Leash::Order::kill ? SIGKILL : SIGTERM);
      obeyed = order;
    }
    alarm_.wait(leash.next_change(now));
  }
}

void Executor::resign(const std::string& term_id) {
  const nlohmann::json body = {{"termId", term_id}};
  const std::string name = holder_.empty() ? "" : "&name=" + percent_encoded(holder_);
  const http::Reply reply =
      client_.call("POST", "/resign?drained=true" + name, body.dump(), kAnswer);
  if (reply.kind == http::IoKind::ok && reply.response.status / 100 == 2) return;
  fail(shell_, kFailed, "exec: resign: " + describe(reply, client_));
}

int Executor::run() {
  while (true) {
    const auto term = wait_for_term();
    if (!term) return 128 + signal_;
    auto child = Child::start(
        command_, {{"BATON_FENCING_TOKEN", term->fencing_token}, {"BATON_TERM_ID", term->term_id}});
    if (!child) {
      resign(term->term_id);
      return fail(shell_, kFailed, "exec: " + child.error());
    }
    const End end = work(*child, Leash(*term, boot_now()));
    if (!end.was_lost) {
      resign(term->term_id);
      return end.code;
    }
    if (signal_ != 0) return end.code;
    fail(shell_, kFailed, "exec: lost the leadership, ended the command; waiting to lead again");
    feed_.renew_hold();
  }
}

}  // namespace

int run_exec(const Arguments& arguments, Shell& shell) {
  if (arguments.words().empty()) {
    return fail(shell, kUsage, "exec: needs a command; write baton exec -- COMMAND");
  }
  auto client = LocalClient::local(arguments, shell);
  auto feeding = LocalClient::local(arguments, shell);
  if (!client) return fail(shell, kUsage, "exec: " + client.error());
  return Executor(arguments, shell, std::move(client).value(), std::move(feeding).value()).run();
}

}  // namespace baton::cli
