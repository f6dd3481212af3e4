#include "runtime/traffic.h"

#include <algorithm>

#include "base/thread.h"
#include "observe/log.h"

namespace baton::runtime {
namespace {

using election::FailureKind;
using election::State;
using observe::Level;

/// What leads here is looked at again after this many lease durations: it may have been deleted.
constexpr int kRecheck = 4;
/// The next leader needs some 50 ms after a release, a machine under load much more.
constexpr Duration kLeftForTheNext = std::chrono::seconds(2);

}  // namespace

Traffic::Traffic(std::vector<std::unique_ptr<kube::Route>> routes,
                 std::shared_ptr<const api::StatusBoard> board, const election::Timings& timings,
                 Failed failed, Told told)
    : board_(std::move(board)),
      timings_(timings),
      failed_(std::move(failed)),
      told_(std::move(told)),
      holds_release_(!routes.empty()),  // perhaps, by the process before this one
      is_led_(holds_release_) {
  for (auto& route : routes) routes_.push_back({std::move(route), {}, false, ""});
}

void Traffic::start() {
  if (!routes_.empty()) thread_ = named_thread("traffic", [this] { run(); });
}

void Traffic::changed() {
  const std::lock_guard lock(mutex_);
  has_changed_ = true;
  wake_.notify_all();
}

void Traffic::wait_until_withdrawn() {
  std::unique_lock lock(mutex_);
  withdrawn_.wait_for(lock, timings_.request_timeout,
                      [this] { return !holds_release_ || stopping_; });
}

void Traffic::stop() {
  if (thread_.joinable()) {
    std::unique_lock lock(mutex_);
    withdrawn_.wait_for(lock, kLeftForTheNext + timings_.request_timeout,
                        [this] { return !is_led_; });
    stopping_ = true;
    wake_.notify_all();
    withdrawn_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

election::Token Traffic::wanted() const {
  const api::StatusView view = board_->read();
  const Instant now = boot_now();
  const State state = view.state(now);
  const bool serves = state == State::leading || state == State::uncertain;  // not while warming
  return serves && view.leads(now) ? view.status.token : 0;
}

void Traffic::run() {
  std::unique_lock lock(mutex_);
  election::Token last = 0;
  Duration delay = timings_.retry_min;
  Instant due = kLongAgo, left_until = boot_now() + kLeftForTheNext;
  while (!stopping_) {
    has_changed_ = false;
    const election::Token token = wanted();
    if (token != last || boot_now() >= due) {
      if (token != last) {
        delay = timings_.retry_min;
        left_until = boot_now() + kLeftForTheNext;
      }
      last = token;
      if (token != 0) holds_release_ = is_led_ = true;  // before anything is written
      lock.unlock();
      const bool leaves = token == 0 && boot_now() < left_until;
      const bool is_settled = settle_all(token, leaves);
      const auto leads = [](const Led& led) {
        return led.shown != election::Token(0) && !led.is_refused;
      };
      const bool is_led = std::ranges::any_of(routes_, leads);
      const bool holds_release = std::ranges::any_of(
          routes_, [&](const Led& led) { return leads(led) && !led.route->moves_in_one_write(); });
      told_(state());
      lock.lock();
      is_led_ = is_led;
      holds_release_ = holds_release;
      withdrawn_.notify_all();
      due = boot_now() + delay;
      delay = std::min(delay * 2, timings_.lease_duration / 2);
      if (is_settled) due = token == 0 ? kNever : boot_now() + kRecheck * timings_.lease_duration;
      if (leaves) due = std::min(due, left_until);
    }
    const auto woken = [this] { return has_changed_ || stopping_; };
    if (due == kNever) {
      wake_.wait(lock, woken);
    } else {
      wake_.wait_for(lock, due - boot_now(), woken);
    }
  }
}

api::TrafficState Traffic::state() const {
  using Leads = api::TrafficState::Leads;
  const auto all = [this](auto is_so) { return std::ranges::all_of(routes_, is_so); };
  api::TrafficState state;
  if (all([](const Led& led) { return led.shown.value_or(0) != 0; })) {
    state.leads = Leads::here;
  } else if (all([](const Led& led) { return led.shown == election::Token(0); })) {
    state.leads = Leads::away;
  }
  for (const Led& led : routes_) {
    if (!led.why.empty()) state.reason = led.why;
  }
  return state;
}

bool Traffic::settle_all(election::Token token, bool leaves) {
  const bool is_recheck = token != 0 && std::ranges::all_of(routes_, [&](const Led& led) {
                            return led.shown == token;
                          });
  bool is_settled = true;
  for (Led& led : routes_) {
    if (leaves && led.route->moves_in_one_write()) continue;
    if (led.shown != token || is_recheck) is_settled = settle(led, token) && is_settled;
  }
  return is_settled;
}

bool Traffic::settle(Led& led, election::Token token) {
  const auto failure = token != 0 ? led.route->show(token, [&] { return wanted() == token; })
                                  : led.route->withdraw();
  led.is_refused = token == 0 && failure && failure->kind == FailureKind::refused;
  if (!failure) {
    if (led.shown.value_or(0) != token) {
      observe::log(Level::info, token != 0 ? "traffic led here" : "traffic taken away",
                   {{"route", std::string(led.route->name())}, {"token", std::to_string(token)}});
    }
    led.shown = token;
    led.why.clear();
    return true;
  }
  failed_(led.route->name(), failure->kind);
  const bool is_open = failure->kind == FailureKind::unknown ||
                       failure->kind == FailureKind::unavailable ||
                       failure->kind == FailureKind::garbled;
  if (token != 0 && is_open) led.shown.reset();  // it may have been written
  if (failure->what != led.why) {
    observe::log(Level::warning, token != 0 ? "traffic not led here" : "traffic not taken away",
                 {{"route", std::string(led.route->name())}, {"reason", failure->what}});
    led.why = failure->what;
  }
  return false;
}

}  // namespace baton::runtime
