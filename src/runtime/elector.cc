#include "runtime/elector.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "base/failpoint.h"
#include "base/thread.h"
#include "observe/codec.h"
#include "runtime/identity.h"

namespace baton::runtime {
namespace {

/// The election's thread goes round at least this often, so that liveness can tell it is alive.
constexpr std::chrono::seconds kHeartbeat(1);

/// The server ends each watch after this long by itself; a random length keeps many candidates from
/// returning together. Between one and five minutes (API servers forget versions after about five).
constexpr int kShortestWatch_s = 60;
constexpr int kLongestWatch_s = 300;

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

bool hands_over(const election::Action& action) {
  const auto* write = std::get_if<election::SendWrite>(&action);
  return write != nullptr && (write->write.kind == election::WriteKind::acquire ||
                              write->write.kind == election::WriteKind::release);
}

}  // namespace

Elector::Elector(election::Options options, Instant start,
                 std::shared_ptr<kube::Credentials> credentials, const kube::LeaseTarget& target,
                 std::shared_ptr<api::StatusBoard> board, Observer& observer,
                 std::function<void()> changed, std::function<void()> exited,
                 std::function<void()> before_release)
    : election_(std::move(options), start),
      board_(std::move(board)),
      observer_(observer),
      changed_(std::move(changed)),
      exited_(std::move(exited)),
      before_release_(std::move(before_release)),
      heartbeat_ns_(start.time_since_epoch().count()),
      client_(credentials, target, server_clock_, last_lease_),
      watch_(credentials, target, server_clock_, last_lease_) {}

Elector::~Elector() {
  stopping_ = true;
  mailbox_.ring();
  if (election_thread_.joinable()) election_thread_.join();
  requests_.stop([this] { client_.cancel(); });
  watches_.stop([this] { watch_.cancel(std::numeric_limits<election::WatchId>::max()); });
}

std::string Elector::record_to(const std::string& path, observe::RecordingHead head) {
  auto recorder = Recorder::open(path, std::move(head), election_);
  if (!recorder.ok()) return recorder.error();
  recorder_ = std::move(recorder).value();
  return "";
}

void Elector::start() {
  has_started_ = true;
  election_thread_ = named_thread("election", [this] { run_election(); });
}

void Elector::post(election::Event event) {
  mailbox_.post(std::move(event));
  if (!has_started_) return;
  if (const std::unique_lock lock(stepping_, std::try_to_lock); lock.owns_lock()) {
    step_posted();
  } else {
    mailbox_.ring();
  }
}

void Elector::run_election() {
  while (!stopping_) {
    mailbox_.wait(kHeartbeat);
    const std::lock_guard lock(stepping_);  // nor does another thread's step hang
    step_posted();
    heartbeat_ns_ = boot_now().time_since_epoch().count();
  }
}

/// What was posted, and the Tick that is due. With stepping_ held, as step() below.
void Elector::step_posted() {
  while (const auto event = mailbox_.take()) step(*event);
}

/// Order matters on a loss: first the answers say no, then the application is told, and only then
/// does anything go out to the network (R11). But a hand-over's writes go out before anybody is
/// told: nothing is led at an acquisition, and before a release the work has ended (R12). Whoever
/// was told would take the processor from them.
void Elector::step(const election::Event& event) {
  const Instant handed_out = board_->handed_out(), now = boot_now();
  election::Step step = election_.step(event, now, handed_out);
  const election::Status& status = election_.status();
  if (status.believes) failpoint(Failpoint::belief_before_publish);
  const bool is_news = board_->publish(status);
  const Observer::Moment moment{.decided = now, .published = boot_now()};
  const std::uint64_t digest = recorder_ ? observe::digest(step, status) : 0;
  auto& actions = step.actions;
  const auto others = std::stable_partition(actions.begin(), actions.end(), hands_over);
  const auto perform_one = [&](election::Action& action) { perform(action, moment); };
  std::for_each(actions.begin(), others, perform_one);
  if (is_news) changed_();
  if (status.believes) failpoint(Failpoint::belief_published);
  std::for_each(others, actions.end(), perform_one);
  if (recorder_) recorder_->stepped({event, now, handed_out, digest}, election_);
  observer_.stepped(status, client_.server_date_s(), boot_now());
  mailbox_.alarm_at(step.wake_at);
}

/// At most one request is outstanding and one dial is queued, so their queue is never full.
void Elector::perform(election::Action& action, const Observer::Moment& moment) {
  std::visit(Overload{
                 [this](const election::SendList& list) {
                   requests_.submit([this, list] { deliver("list", client_.list(list.id)); });
                 },
                 [this](election::SendWrite& write) {
                   observer_.writes_to(write.write.base.uid);
                   requests_.submit([this, put = std::move(write)] {
                     const bool is_release = put.write.kind == election::WriteKind::release;
                     if (is_release && before_release_) before_release_();
                     deliver(to_string(put.write.kind), client_.write(put.id, put.write));
                   });
                 },
                 [this](const election::StartWatch& watch) {
                   watch_.cancel(watch.id - 1);
                   watches_.submit([this, watch] { run_watch(watch); });
                 },
                 [this](const election::StopWatch& watch) { watch_.cancel(watch.id); },
                 [this](const election::DialAhead&) {
                   if (is_dial_queued_.exchange(true)) return;
                   requests_.submit([this] {
                     is_dial_queued_ = false;
                     client_.dial_ahead();
                   });
                 },
                 [this](const election::Exit&) { exited_(); },
                 [&](const election::Notice& notice) {
                   observer_.notice(notice, election_.status(), moment);
                 },
             },
             action);
}

/// Steps with the answer. Requests' thread.
template <typename Answer>
void Elector::deliver(const std::string& request, Answer answer) {
  std::visit(
      [&](auto& one) {
        if constexpr (requires { one.failure; }) {
          observer_.request_failed(request, one.failure.kind);
        }
        const std::lock_guard lock(stepping_);
        step(std::move(one));
      },
      answer);
}

/// Watch's thread.
void Elector::run_watch(const election::StartWatch& start) {
  const auto timeout_s =
      kShortestWatch_s + random_bits() % (kLongestWatch_s - kShortestWatch_s + 1);
  election::WatchEnded ended = watch_.run(start.id, start.from, static_cast<int>(timeout_s),
                                          [this](const election::Watched& event) {
                                            const std::lock_guard lock(stepping_);
                                            step(event);
                                          });
  const election::FailureKind kind = ended.failure.kind;
  if (kind != election::FailureKind::ended && kind != election::FailureKind::unknown) {
    observer_.request_failed("watch", kind);  // one that was refused or cannot be read
  }
  const std::lock_guard lock(stepping_);
  step(ended);
}

}  // namespace baton::runtime
