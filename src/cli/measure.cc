#include "cli/measure.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "base/text.h"
#include "kube/lease_client.h"

namespace baton::cli {
namespace {

using election::Lease;
using election::WriteKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The number of the write, and by its presence alone the sign of a Lease that a measurement made.
constexpr char kMark[] = "baton/measurement";
constexpr Duration kPace = milliseconds(100);  // one write in each
constexpr int kWritesPerConnection = 10;
constexpr Duration kTick = milliseconds(10);  // of the timer whose lateness is a stall
constexpr seconds kRequestTimeout(10);        // so that slow answers are measured
constexpr seconds kWatchBeyond(60);           // the server's end of the watch, after ours
constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};

std::atomic<int> caught = 0;
static_assert(std::atomic<int>::is_always_lock_free, "or a handler must not touch it");
void note_signal(int signal) { caught = signal; }

/// While this lives, SIGINT and SIGTERM are noted instead of ending the process.
class Signals {
 public:
  Signals() {
    caught = 0;
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      before_[i] = std::signal(kSignals[i], note_signal);
    }
  }
  ~Signals() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) std::signal(kSignals[i], before_[i]);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  std::array<void (*)(int), kSignals.size()> before_{};
};

/// Neither an election's, whoever holds it or has held it, nor a stranger's.
bool is_of_measurement(const Lease& lease) {
  return lease.holder.empty() && lease.annotations.size() == 1 && !lease.annotated(kMark).empty() &&
         lease.version && !lease.being_deleted;
}

/// The caller's thread writes, a second one watches, a third one supervises: it times its own
/// timer, and ends the others' waits when it is time or a signal came.
class Measuring {
 public:
  Measuring(std::shared_ptr<kube::Credentials> credentials, kube::LeaseTarget target,
            Duration length, Duration patience)
      : credentials_(std::move(credentials)),
        target_(std::move(target)),
        begin_(boot_now()),
        end_(begin_ + length),
        patience_(patience),
        watch_(credentials_, target_) {}

  Measurement run() {
    const Signals signals;
    std::thread supervisor([this] { supervise(); });
    std::thread watcher;
    Instant due = begin_;
    for (std::size_t number = 0; goes_on_until(due); ++number) {
      if (number % kWritesPerConnection == 0 && !read()) break;
      if (!write(number)) break;
      if (number == 0) watcher = std::thread([this, from = *lease_->version] { watch(from); });
      due = std::max(due + kPace, boot_now());
    }
    await_events();
    {
      const std::lock_guard lock(mutex_);
      stop();
    }
    supervisor.join();
    if (watcher.joinable()) watcher.join();
    return {std::move(measured_), boot_now() - begin_, std::move(failure_), caught};
  }

 private:
  /// Waits until `due`; false if the measurement is over by then.
  bool goes_on_until(Instant due) {
    std::unique_lock lock(mutex_);
    const auto is_over = [this] { return is_stopping_ || !failure_.empty(); };
    return due < end_ && !changed_.wait_for(lock, due - boot_now(), is_over);
  }

  /// A LIST on a connection of its own, on which the writes then follow.
  bool read() {
    auto client = std::make_unique<kube::LeaseClient>(credentials_, target_);
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) return false;
      std::swap(client_, client);
    }
    const Instant sent = boot_now();
    const auto answer = client_->list(++requests_);
    if (const auto* failed = std::get_if<election::ListFailed>(&answer)) {
      return end_at(sent, failed->failure);
    }
    lease_ = std::get<election::Listed>(answer).lease;
    if (lease_ && !is_of_measurement(*lease_)) {
      return fail("Lease " + target_.namespace_name + "/" + target_.name +
                  " was not made by a measurement (" +
                  (lease_->holder.empty() ? "nobody holds it"
                                          : "held by " + printable(lease_->holder, 300)) +
                  ") and is left alone; delete it if nobody elects through it");
    }
    const std::lock_guard lock(mutex_);
    measured_.reads.push_back(boot_now() - sent);
    return true;
  }

  bool write(std::size_t number) {
    const election::LeaseWrite write{.kind = lease_ ? WriteKind::renew : WriteKind::create,
                                     .base = lease_.value_or(Lease{}),
                                     .holder = "",
                                     .duration_s = 1,  // as of a released one
                                     .transitions = 0,
                                     .annotations = {{kMark, std::to_string(number)}}};
    const Instant sent = boot_now();
    {
      const std::lock_guard lock(mutex_);
      sent_.push_back(sent);
    }
    auto answer = client_->write(++requests_, write);
    if (const auto* failed = std::get_if<election::WriteFailed>(&answer)) {
      return end_at(sent, failed->failure);
    }
    const std::lock_guard lock(mutex_);
    measured_.writes.push_back(boot_now() - sent);
    lease_ = std::move(std::get<election::Written>(answer).lease);
    if (is_of_measurement(*lease_)) return true;
    failure_ = "the answer to a write of Lease " + target_.name + " does not show it as written";
    return false;
  }

  /// Follows the writes after the first one, whose version is `from`.
  void watch(election::Revision from) {
    const auto length = std::chrono::ceil<seconds>(end_ - begin_) + kWatchBeyond;
    const auto ended =
        watch_.run(1, from, static_cast<int>(length.count()),
                   [this](const election::Watched& event) { take_event(event, boot_now()); });
    fail(ended.failure.what);
  }

  void take_event(const election::Watched& event, Instant now) {
    if (!event.lease) return;  // a bookmark
    const std::lock_guard lock(mutex_);
    const auto last = static_cast<std::int64_t>(sent_.size()) - 1;
    const auto number = parse_integer(event.lease->annotated(kMark), 0, last);
    if (!number) return;
    // Before the first event the watch itself was set up.
    const Instant sent = sent_[static_cast<std::size_t>(*number)];
    if (sent >= watching_since_) measured_.events.push_back(now - sent);
    watching_since_ = std::min(watching_since_, now);
    seen_ = static_cast<std::size_t>(*number);
    changed_.notify_all();
  }

  /// Those that are still under way when the last write is answered.
  void await_events() {
    std::unique_lock lock(mutex_);
    const std::size_t last = std::max<std::size_t>(measured_.writes.size(), 1) - 1;
    const auto is_over = [&] { return is_stopping_ || !failure_.empty() || seen_ >= last; };
    changed_.wait(lock, is_over);
    if (!failure_.empty() || caught != 0 || seen_ >= last) return;
    // Time is up. No later than others were is no sign of anything.
    const Duration age = boot_now() - sent_[seen_ + 1];
    if (age <= percentile(measured_.events, 100)) return;
    failure_ = "watch lease " + target_.namespace_name + "/" + target_.name +
               ": no event of a write for " + rounded(age);
  }

  void supervise() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
      const Instant before = boot_now();
      const bool is_woken = changed_.wait_for(lock, kTick, [this] { return is_stopping_; });
      const Instant now = boot_now();
      if (!is_woken) measured_.stall = std::max(measured_.stall, now - before - kTick);
      if (caught != 0 || now >= end_ + patience_) stop();
    }
  }

  /// With mutex_. What is under way returns at once, and nothing more begins.
  void stop() {
    is_stopping_ = true;
    if (client_) client_->cancel();
    watch_.cancel(1);
    changed_.notify_all();
  }

  bool fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty() && !is_stopping_) failure_ = why;
    changed_.notify_all();
    return false;
  }

  /// By a request that has failed. One that was given up when the time was over is no failure,
  /// unless it was slower by then than every other.
  bool end_at(Instant sent, const election::Failure& failure) {
    if (failure.kind == election::FailureKind::conflict) {
      return fail(failure.what +
                  "; somebody else writes this Lease: measure from one place at a time");
    }
    {
      const std::lock_guard lock(mutex_);
      const Duration age = boot_now() - sent;
      if (is_stopping_ && caught == 0 && age > needs_of(measured_).slowest) {
        failure_ =
            failure.what + " when the time was over, after " + rounded(age) + " without an answer";
      }
    }
    return fail(failure.what);
  }

  const std::shared_ptr<kube::Credentials> credentials_;
  const kube::LeaseTarget target_;
  const Instant begin_, end_;
  const Duration patience_;
  kube::LeaseWatch watch_;

  // The caller's thread only.
  std::optional<Lease> lease_;  // its newest version
  election::RequestId requests_ = 0;

  std::mutex mutex_;  // protects what follows
  std::condition_variable changed_;
  std::unique_ptr<kube::LeaseClient> client_;  // replaced by the caller's thread only, which may
                                               // use it without the lock
  Measured measured_;
  std::vector<Instant> sent_;        // by the writes' numbers
  std::size_t seen_ = 0;             // the last number that the watch has shown
  Instant watching_since_ = kNever;  // the first event
  std::string failure_;
  bool is_stopping_ = false;
};

}  // namespace

std::string lease_to_measure(const std::string& election) { return election + "-measure"; }

Measurement measure(std::shared_ptr<kube::Credentials> credentials,
                    const std::string& namespace_name, const std::string& election, Duration length,
                    Duration patience) {
  return Measuring(std::move(credentials),
                   {namespace_name, lease_to_measure(election), kRequestTimeout}, length, patience)
      .run();
}

}  // namespace baton::cli
