#include "observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cctype>
#include <mutex>

namespace baton::observe {
namespace {

using election::NoticeKind;
using election::State;
using election::Status;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

bool leads(const Status& status, Instant at) { return status.believes && at < status.deadline; }

// A reason begins with the rule that ended the term ("R11: …"); the rest would make a series each.
std::string reason_class(const std::string& reason) {
  std::size_t end = 1;
  while (end < reason.size() && std::isdigit(static_cast<unsigned char>(reason[end])) != 0) ++end;
  return end > 1 && reason[0] == 'R' ? reason.substr(0, end) : "other";
}

// From one millisecond, a write to a store nearby, doubled until it is over the longest request
// timeout of a profile (5 s).
Histogram::BucketBoundaries latency_buckets() {
  Histogram::BucketBoundaries buckets{0.001};
  while (buckets.back() <= 5) buckets.push_back(buckets.back() * 2);
  return buckets;
}

}  // namespace

// Every series of the page. The instruments are safe on any thread; `mutex` guards what follows it.
class Metrics::Impl {
  const Labels labels_, client_go_labels_;
  prometheus::Registry registry_;

  Family<Counter>& counters(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels_).Register(registry_);
  }
  Family<Gauge>& gauges(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Labels(labels_).Register(registry_);
  }

 public:
  Impl(const std::string& name, const std::string& namespace_name, const std::string& identity)
      : labels_{{"name", name}, {"lease_namespace", namespace_name}},
        client_go_labels_{{"name", name}} {
    gauges("baton_build_info", "Version and identity of this process; always 1.")
        .Add({{"version", BATON_VERSION}, {"identity", identity}})
        .Set(1);
    for (int i = 0; i <= static_cast<int>(State::stopped); ++i) in_state(static_cast<State>(i), 0);
    in_state(State::starting, 1);
  }

  void in_state(State state, double value) {
    states.Add({{"state", election::to_string(state)}}).Set(value);
  }

  // Time passes: without a leader from when the last status's own or observed term ran out.
  void pass_until(Instant now) {
    if (seen == kLongAgo) seen = now;
    const Instant own = last.believes ? last.deadline : kLongAgo;
    const Instant observed = last.leader.identity.empty() ? kLongAgo : last.leader.expires;
    const Instant from = std::max({seen, own, observed});
    if (now > from) leaderless.Increment(seconds(now - from));
    seen = std::max(seen, now);
  }

  std::string text(Instant now) {
    const std::lock_guard lock(mutex);
    pass_until(now);
    const bool leader = leads(last, now);
    is_leader.Set(leader ? 1 : 0);
    master_status.Set(leader ? 1 : 0);
    token.Set(leader ? static_cast<double>(last.token) : 0);
    uptime.Set(leader ? seconds(now - led_since) : 0);
    remaining.Set(leader ? seconds(last.deadline - now) : 0);
    return prometheus::TextSerializer().Serialize(registry_.Collect());
  }

  Gauge& is_leader =
      gauges("baton_is_leader", "1 while this candidate leads, by its deadline now.").Add({});
  Gauge& token = gauges("baton_fencing_token",
                        "The fencing token while leading, else 0. A sample is a double: above 2^53 "
                        "it is rounded, so read the token to fence with from /token.")
                     .Add({});
  Gauge& uptime =
      gauges("baton_leader_uptime_seconds", "How long the present term has lasted; 0 if none.")
          .Add({});
  Gauge& remaining = gauges("baton_validity_remaining_seconds",
                            "How long leadership is certain from now on; 0 if not leading.")
                         .Add({});
  Family<Gauge>& states =
      gauges("baton_state", "1 for the state the candidate is in, 0 for every other.");
  Family<Counter>& transitions = counters(
      "baton_transitions_total",
      "Terms of this candidate that began (change=gained) or ended (change=lost, with the rule).");
  Family<Counter>& failures =
      counters("baton_request_failures_total",
               "Requests to the API server that failed, by request and kind of failure.");
  Counter& attempts =
      counters("baton_acquisition_attempts_total",
               "Acquisitions written, won or not; over the terms gained: attempts per election.")
          .Add({});
  Counter& leaderless =
      counters("baton_leaderless_seconds_total",
               "Time in which this candidate knew of no leader whose record had not run out.")
          .Add({});
  Counter& rejections =
      counters("baton_fencing_rejections_total",
               "Writes that a resource refused for a stale token, as the application reported.")
          .Add({});
  Counter& watch_restarts =
      counters("baton_watch_restarts_total", "Watches of the Lease that ended and were renewed.")
          .Add({});
  Counter& clock_anomalies =
      counters("baton_clock_rate_anomalies_total",
               "Times this machine's clock was seen to run at a rate outside what rule R3 covers.")
          .Add({});
  Counter& history =
      counters("baton_history_went_back_total",
               "Times the store's history was seen to go back, as after a restore (rule R14).")
          .Add({});
  Histogram& renew_latency =
      prometheus::BuildHistogram()
          .Name("baton_renew_latency_seconds")
          .Help("Time from sending a renewal to its reply, of those that counted.")
          .Labels(labels_)
          .Register(registry_)
          .Add({}, latency_buckets());
  Gauge& master_status = prometheus::BuildGauge()
                             .Name("leader_election_master_status")
                             .Help("1 while this candidate leads, under client-go's name.")
                             .Labels(client_go_labels_)
                             .Register(registry_)
                             .Add({});
  Counter& slowpath = prometheus::BuildCounter()
                          .Name("leader_election_slowpath_total")
                          .Help("Renewals whose first write did not settle it, client-go's name.")
                          .Labels(client_go_labels_)
                          .Register(registry_)
                          .Add({});

  std::mutex mutex;
  Status last;
  Instant seen = kLongAgo;  // time is accounted for up to here
  std::string led_term;
  Instant led_since = kLongAgo;
};

Metrics::Metrics(const std::string& name, const std::string& namespace_name,
                 const std::string& identity)
    : impl_(std::make_unique<Impl>(name, namespace_name, identity)) {}
Metrics::~Metrics() = default;

void Metrics::notice(const election::Notice& notice) {
  switch (notice.kind) {
    case NoticeKind::gained:
      impl_->transitions.Add({{"change", "gained"}, {"reason", ""}}).Increment();
      break;
    case NoticeKind::lost:
      impl_->transitions.Add({{"change", "lost"}, {"reason", reason_class(notice.reason)}})
          .Increment();
      break;
    case NoticeKind::attempt:
      impl_->attempts.Increment();
      break;
    case NoticeKind::write_unsettled: {
      const std::lock_guard lock(impl_->mutex);
      if (impl_->last.believes) impl_->slowpath.Increment();
      break;
    }
    case NoticeKind::history_went_back:
      impl_->history.Increment();
      break;
    default:
      break;
  }
}

void Metrics::status(const Status& status, Instant now) {
  const std::lock_guard lock(impl_->mutex);
  impl_->pass_until(now);
  if (leads(status, now) && status.term_id != impl_->led_term) {
    impl_->led_term = status.term_id;
    impl_->led_since = now;
  }
  impl_->in_state(impl_->last.state, 0);
  impl_->in_state(status.state, 1);
  impl_->last = status;
}

void Metrics::renewed(Duration latency) { impl_->renew_latency.Observe(seconds(latency)); }

void Metrics::request_failed(const std::string& request, election::FailureKind kind) {
  impl_->failures.Add({{"request", request}, {"kind", election::to_string(kind)}}).Increment();
}

void Metrics::rejection() { impl_->rejections.Increment(); }
void Metrics::watch_restarted() { impl_->watch_restarts.Increment(); }
void Metrics::clock_rate_anomaly() { impl_->clock_anomalies.Increment(); }

std::string Metrics::text(Instant now) { return impl_->text(now); }

}  // namespace baton::observe
