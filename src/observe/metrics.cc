#include "observe/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace baton::observe {
namespace {

using election::FailureKind;
using election::NoticeKind;
using election::State;
using election::Status;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

bool leads(const Status& status, Instant at) { return status.believes && at < status.deadline; }

// How the sentences begin, as src/election words them, and the class of each; one fits always.
constexpr std::pair<std::string_view, const char*> kReasons[] = {
    {"R2:", "R2"},
    {"R6:", "R6"},
    {"R11:", "R11"},
    {"R13:", "R13"},
    {"R14:", "R14"},
    {"a token of at least", "token_advanced"},
    {"resigned on request", "resigned"},
    {"asked to resign", "asked_to_resign"},
    {"asked to hand over", "asked_to_hand_over"},
    {"paused until", "paused"},
    {"it has led for the maximum term", "max_term"},
    {"terminating", "terminating"},
    {"the Lease could not be released", "not_released"},
    {"the announcement expired", "announcement_expired"},
    {"the application is unhealthy", "unhealthy"},
    {"the application said", "drained"},
    {"the application was not ready", "not_ready"},
    {"the end of the Pod was announced", "announced"},
    {"", "other"},
};

// Of a request; a watch that the server has ended is no failure.
constexpr FailureKind kFailures[] = {
    FailureKind::conflict,  FailureKind::not_found,   FailureKind::gone,    FailureKind::refused,
    FailureKind::throttled, FailureKind::unavailable, FailureKind::garbled, FailureKind::unknown,
};

}  // namespace

const char* reason_class(std::string_view reason) {
  return std::ranges::find_if(kReasons,
                              [&](const auto& one) { return reason.starts_with(one.first); })
      ->second;
}

Metrics::Metrics(const std::string& name, const std::string& namespace_name,
                 const std::string& identity, const election::Timings& timings, Instant start)
    : labels_{{"name", name}, {"lease_namespace", namespace_name}},
      client_go_labels_{{"name", name}},
      renew_margin_(
          histogram("baton_renew_margin_seconds",
                    "Validity that was left when a renewal's reply came; 0 for a term that ran out "
                    "before one came.",
                    margin_buckets(timings.renew_deadline))),
      start_(start) {
  gauges("baton_build_info", "Version and identity of this process; always 1.", labels_)
      .Add({{"version", BATON_VERSION}, {"identity", identity}})
      .Set(1);
  gauge("baton_lease_duration_seconds", "The setting lease-duration.")
      .Set(seconds(timings.lease_duration));
  gauge("baton_renew_deadline_seconds", "The setting renew-deadline.")
      .Set(seconds(timings.renew_deadline));
  gauge("baton_request_timeout_seconds", "The setting request-timeout.")
      .Set(seconds(timings.request_timeout));
  // From 0 on: what begins at 1 has not increased for Prometheus.
  transitions_.Add({{"change", "gained"}, {"reason", ""}});
  for (const auto& reason : kReasons) {
    transitions_.Add({{"change", "lost"}, {"reason", reason.second}});
  }
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

// An eighth of the renew deadline each: a quarter, which an alert asks for, is a boundary.
Histogram::BucketBoundaries Metrics::margin_buckets(Duration renew_deadline) {
  Histogram::BucketBoundaries buckets;
  for (int i = 1; i <= 8; ++i) buckets.push_back(seconds(renew_deadline) * i / 8);
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
  const std::string why = reason_class(reason);
  transitions_.Add({{"change", "lost"}, {"reason", why}}).Increment();
  if (why == "R2") renew_margin_.Observe(0);
  gained_term_.reset();
}

void Metrics::notice(const election::Notice& notice, Instant now) {
  switch (notice.kind) {
    case NoticeKind::gained:
      transitions_.Add({{"change", "gained"}, {"reason", ""}}).Increment();
      gained_term_ = notice.term_id;
      break;
    case NoticeKind::extended:
      renew_latency_.Observe(seconds(notice.took));
      renew_margin_.Observe(seconds(last_.deadline - now));  // of the step before
      break;
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

void Metrics::request_failed(const std::string& request, FailureKind kind) {
  count(request, kind);
  const std::lock_guard lock(mutex_);
  last_failure_ = kind;
}

void Metrics::count(const std::string& request, FailureKind kind) {
  failures_.Add({{"request", request}, {"kind", election::to_string(kind)}}).Increment();
}

void Metrics::credential(const std::string& which, std::optional<std::int64_t> from_s,
                         std::optional<std::int64_t> until_s) {
  const std::lock_guard lock(mutex_);  // of two scrapes at once
  const auto show = [&](Family<Gauge>& family, bool is_known, auto value_s) {
    const Labels labels{{"credential", which}};
    if (is_known) {
      family.Add(labels).Set(static_cast<double>(value_s));
    } else if (family.Has(labels)) {
      family.Remove(&family.Add(labels));
    }
  };
  show(expiry_, until_s.has_value(), until_s.value_or(0));
  show(lifetime_, from_s && until_s, until_s.value_or(0) - from_s.value_or(0));
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
    silence_.Set(std::max(0.0, seconds(now - std::max(last_.fresh_at, start_))));
    const bool is_open = last_.state == State::uncertain || last_.state == State::degraded;
    for (const FailureKind kind : kFailures) {
      circuit_.Add({{"reason", election::to_string(kind)}})
          .Set(is_open && last_failure_ == kind ? 1 : 0);
    }
  }
  // Not under the mutex: a scrape must not hold the election's thread up (R15).
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace baton::observe
