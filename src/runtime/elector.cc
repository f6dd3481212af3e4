#include "runtime/elector.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/identity.h"

namespace baton::runtime {
namespace {

/// The election's thread goes round at least this often, so that liveness can tell it is alive.
constexpr Duration kHeartbeat = std::chrono::seconds(1);

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

}  // namespace

Elector::Elector(election::Options options, Instant start,
                 std::shared_ptr<kube::Credentials> credentials, const kube::LeaseTarget& target,
                 std::shared_ptr<api::StatusBoard> board, ElectorSinks sinks)
    : election_(std::move(options), start),
      board_(std::move(board)),
      sinks_(std::move(sinks)),
      heartbeat_ns_(start.time_since_epoch().count()),
      client_(credentials, target),
      watch_(credentials, target) {}

Elector::~Elector() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  mailbox_.post(election::Tick{});
  client_.cancel();
  watch_.cancel(std::numeric_limits<election::WatchId>::max());
  for (std::thread* thread : {&election_thread_, &request_thread_, &watch_thread_}) {
    if (thread->joinable()) thread->join();
  }
}

void Elector::start() {
  election_thread_ = std::thread([this] { run_election(); });
  request_thread_ = std::thread([this] { run_requests(); });
  watch_thread_ = std::thread([this] { run_watch(); });
}

std::pair<std::int64_t, Instant> Elector::server_date() const {
  auto& self = const_cast<Elector&>(*this);
  const std::lock_guard lock(self.mutex_);
  return {server_date_s_, server_date_at_};
}

void Elector::run_election() {
  while (!stopping_) {
    const Instant now = boot_now();
    heartbeat_ns_ = now.time_since_epoch().count();
    auto event = mailbox_.take(std::min(wake_at_, now + kHeartbeat));
    if (event || boot_now() >= wake_at_) step(event.value_or(election::Tick{}));
  }
}

/// Order matters on a loss: first the answers say no, then the application is told, and only then
/// does anything go out to the network (R11).
void Elector::step(const election::Event& event) {
  const Instant handed_out = board_->handed_out();
  election::Step step = election_.step(event, boot_now(), handed_out);
  wake_at_ = step.wake_at;
  const election::Status& status = election_.status();
  if (board_->publish(status)) sinks_.changed();
  for (election::Action& action : step.actions) perform(action);
  sinks_.stepped(status);
}

void Elector::perform(election::Action& action) {
  std::visit(Overload{
                 [this](election::SendList& list) { submit(list); },
                 [this](election::SendWrite& write) { submit(std::move(write)); },
                 [this](election::StartWatch& watch) {
                   const std::lock_guard lock(mutex_);
                   start_watch_ = watch;
                   watch_.cancel(watch.id - 1);
                   wake_.notify_all();
                 },
                 [this](election::StopWatch& watch) {
                   const std::lock_guard lock(mutex_);
                   start_watch_.reset();
                   watch_.cancel(watch.id);
                 },
                 [this](election::DialAhead&) {
                   const std::lock_guard lock(mutex_);
                   dial_ahead_ = true;
                   wake_.notify_all();
                 },
                 [this](election::Exit&) { sinks_.exited(); },
                 [this](election::Notice& notice) { sinks_.notice(notice, election_.status()); },
             },
             action);
}

void Elector::submit(Request request) {
  const std::lock_guard lock(mutex_);
  request_ = std::move(request);
  wake_.notify_all();
}

void Elector::run_requests() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || dial_ahead_ || request_.index() != 0; });
    if (stopping_) return;
    const Request request = std::exchange(request_, {});
    const bool dial_ahead = std::exchange(dial_ahead_, false);
    lock.unlock();
    if (const auto* list = std::get_if<election::SendList>(&request)) {
      std::visit(
          [this](auto answer) {
            if constexpr (requires { answer.failure; }) {
              sinks_.request_failed("list", answer.failure.kind);
            }
            post(std::move(answer));
          },
          client_.list(list->id));
    } else if (const auto* put = std::get_if<election::SendWrite>(&request)) {
      std::visit(
          [this, put](auto answer) {
            if constexpr (requires { answer.failure; }) {
              sinks_.request_failed(to_string(put->write.kind), answer.failure.kind);
            }
            post(std::move(answer));
          },
          client_.write(put->id, put->write));
    } else if (dial_ahead) {
      client_.dial_ahead();
    }
    const auto date = client_.server_date_s();
    lock.lock();
    if (date && *date != server_date_s_) {
      server_date_s_ = *date;
      server_date_at_ = boot_now();
    }
  }
}

void Elector::run_watch() {
  std::uint64_t spread = random_bits();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || start_watch_.has_value(); });
    if (stopping_) return;
    const election::StartWatch start = *std::exchange(start_watch_, {});
    lock.unlock();
    spread = spread * 6364136223846793005U + 1442695040888963407U;
    const int timeout_s =
        kShortestWatch_s +
        static_cast<int>((spread >> 33) % (kLongestWatch_s - kShortestWatch_s + 1));
    post(watch_.run(start.id, start.from, timeout_s, [this, &start](election::Watched event) {
      if (!mailbox_.try_post(std::move(event))) watch_.cancel(start.id);
    }));
    lock.lock();
  }
}

}  // namespace baton::runtime
