#include "observe/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace baton::observe {
namespace {

using election::NoticeKind;
using election::State;
using election::Status;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

bool leads(const Status& status, Instant at) { return status.believes && at < status.deadline; }

// How the sentences begin that name no rule, as src/election words them.
constexpr std::pair<std::string_view, const char*> kReasons[] = {
    {"a token of at least", "token_advanced"},
    {"resigned on request", "resigned"},
    {"terminating", "terminating"},
    {"the Lease could not be released", "not_released"},
    {"the announcement expired", "announcement_expired"},
    {"the application is unhealthy", "unhealthy"},
    {"the application said", "drained"},
    {"the application was not ready", "not_ready"},
    {"the end of the Pod was announced", "announced"},
};

}  // namespace

std::string reason_class(const std::string& reason) {
  const auto rule_end = std::min(reason.find_first_not_of("0123456789", 1), reason.size());
  if (reason.starts_with('R') && rule_end > 1) return reason.substr(0, rule_end);
  for (const auto& [beginning, name] : kReasons) {
    if (reason.starts_with(beginning)) return name;
  }
  return "other";
}

Metrics::Metrics(const std::string& name, const std::string& namespace_name,
                 const std::string& identity)
    : labels_{{"name", name}, {"lease_namespace", namespace_name}},
      client_go_labels_{{"name", name}} {
  gauges("baton_build_info", "Version and identity of this process; always 1.", labels_)
      .Add({{"version", BATON_VERSION}, {"identity", identity}})
      .Set(1);
  for (int i = 0; i <= static_cast<int>(State::stopped); ++i) in_state(static_cast<State>(i), 0);
  in_state(State::starting, 1);
}

Family<Counter>& Metrics::counters(const char* name, const char* help, const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry_);
}

Family<Gauge>& Metrics::gauges(const char* name, const char* help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry_);
}

// From one millisecond, a write to a store nearby, doubled until it is over the longest request
// timeout of a profile (5 s).
Histogram::BucketBoundaries Metrics::latency_buckets() {
  Histogram::BucketBoundaries buckets{0.001};
  while (buckets.back() <= 5) buckets.push_back(buckets.back() * 2);
  return buckets;
}

void Metrics::in_state(State state, double value) {
  states_.Add({{"state", election::to_string(state)}}).Set(value);
}

// Time passes: warming up until its own term ran out, without a leader from when that or the
// observed one did.
void Metrics::pass_until(Instant now) {
  if (seen_ == kLongAgo) seen_ = now;
  const Instant own = last_.believes ? last_.deadline : kLongAgo;
  const Instant observed = last_.leader.identity.empty() ? kLongAgo : last_.leader.expires;
  const Instant from = std::max({seen_, own, observed});
  if (now > from) leaderless_.Increment(seconds(now - from));
  const Instant warm = std::min(now, own);
  if (last_.state == State::warming && warm > seen_) warm_up_.Increment(seconds(warm - seen_));
  seen_ = std::max(seen_, now);
}

void Metrics::lost(const std::string& reason) {
  transitions_.Add({{"change", "lost"}, {"reason", reason_class(reason)}}).Increment();
  gained_term_.reset();
}

void Metrics::notice(const election::Notice& notice) {
  switch (notice.kind) {
    case NoticeKind::gained:
      transitions_.Add({{"change", "gained"}, {"reason", ""}}).Increment();
      gained_term_ = notice.term_id;
      break;
    case NoticeKind::extended: renew_latency_.Observe(seconds(notice.took)); break;
    case NoticeKind::lost: lost(notice.reason); break;
    case NoticeKind::draining: drain_reason_ = notice.reason; break;
    case NoticeKind::released:  // also of a term that never began or that had lapsed
      if (gained_term_ == notice.term_id) lost(drain_reason_);
      break;
    case NoticeKind::watch_ended: watch_restarts_.Increment(); break;
    case NoticeKind::attempt: attempts_.Increment(); break;
    case NoticeKind::write_unsettled: {
      const std::lock_guard lock(mutex_);
      if (last_.believes) slowpath_.Increment();
      break;
    }
    case NoticeKind::history_went_back: history_.Increment(); break;
    default: break;
  }
}

void Metrics::status(const Status& status, Instant now) {
  const std::lock_guard lock(mutex_);
  pass_until(now);
  if (leads(status, now) && status.term_id != led_term_) {
    led_term_ = status.term_id;
    led_since_ = now;
  }
  in_state(last_.state, 0);
  in_state(status.state, 1);
  last_ = status;
}

void Metrics::request_failed(const std::string& request, election::FailureKind kind) {
  failures_.Add({{"request", request}, {"kind", election::to_string(kind)}}).Increment();
}

std::string Metrics::text(Instant now) {
  {
    const std::lock_guard lock(mutex_);
    pass_until(now);
    const bool leader = leads(last_, now);
    is_leader_.Set(leader ? 1 : 0);
    master_status_.Set(leader ? 1 : 0);
    token_.Set(leader ? static_cast<double>(last_.token) : 0);
    uptime_.Set(leader ? seconds(now - led_since_) : 0);
    remaining_.Set(leader ? seconds(last_.deadline - now) : 0);
  }
  // Not under the mutex: a scrape must not hold the election's thread up (R15).
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace baton::observe
