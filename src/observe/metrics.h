// Metrics of one election in Prometheus' text format, under baton_* with base units, and
// client-go's two names. Fed by notices and statuses on the election's thread, read on a
// listener's.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "election/action.h"
#include "election/options.h"
#include "election/status.h"

namespace baton::observe {

/// The class of why a term ended, one of a closed set (docs/metrics.md): the rule with which the
/// reason begins, else a word for the reason, "other" if it is none that the election gives.
const char* reason_class(std::string_view reason);

class Metrics {
 public:
  /// `name` and `namespace_name` of the election label every series; `start` is the process's.
  Metrics(const std::string& name, const std::string& namespace_name, const std::string& identity,
          const election::Timings& timings, Instant start);

  // Election's thread.
  /// `now` of the step that decided it, whose status follows.
  void notice(const election::Notice& notice, Instant now);
  /// After each step. Keeps what a scrape computes: leader uptime, remaining, leaderless and
  /// warm-up seconds.
  void status(const election::Status& status, Instant now);

  // Any thread.
  /// A request of the election's own.
  void request_failed(const std::string& request, election::FailureKind kind);
  /// One that was to lead traffic here or away.
  void route_failed(const std::string& route, election::FailureKind kind) { count(route, kind); }
  /// Whether the leader's Service leads here; never called where none is configured.
  void traffic(bool leads_here) { traffic_.Add({}).Set(leads_here ? 1 : 0); }
  void rejection() { rejections_.Increment(); }
  void clock_rate_anomaly() { clock_anomalies_.Increment(); }
  void event_not_recorded() { events_not_recorded_.Increment(); }
  /// From when until when it holds, in seconds since 1970; empty where it does not say so.
  void credential(const std::string& which, std::optional<std::int64_t> from_s,
                  std::optional<std::int64_t> until_s);
  /// The whole page; gauges that depend on time are computed for `now`.
  std::string text(Instant now);

 private:
  using Labels = prometheus::Labels;

  prometheus::Family<prometheus::Counter>& counters(const char* name, const char* help,
                                                    const Labels& labels);
  prometheus::Family<prometheus::Gauge>& gauges(const char* name, const char* help,
                                                const Labels& labels);
  prometheus::Counter& counter(const char* name, const char* help) {
    return counters(name, help, labels_).Add({});
  }
  prometheus::Gauge& gauge(const char* name, const char* help) {
    return gauges(name, help, labels_).Add({});
  }
  static prometheus::Histogram::BucketBoundaries latency_buckets();
  static prometheus::Histogram::BucketBoundaries margin_buckets(Duration renew_deadline);
  prometheus::Histogram& histogram(const char* name, const char* help,
                                   const prometheus::Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram()
        .Name(name)
        .Help(help)
        .Labels(labels_)
        .Register(registry_)
        .Add({}, buckets);
  }
  void in_state(election::State state, double value);
  void pass_until(Instant now);
  void lost(const std::string& reason);
  void count(const std::string& request, election::FailureKind kind);

  // Every series of the page; safe on any thread.
  const Labels labels_, client_go_labels_;
  prometheus::Registry registry_;
  prometheus::Gauge& is_leader_ =
      gauge("baton_is_leader", "1 while this candidate leads, by its deadline now.");
  prometheus::Gauge& token_ =
      gauge("baton_fencing_token",
            "The fencing token while leading, else 0. A sample is a double: above 2^53 "
            "it is rounded, so read the token to fence with from /token.");
  prometheus::Gauge& uptime_ =
      gauge("baton_leader_uptime_seconds", "How long the present term has lasted; 0 if none.");
  prometheus::Gauge& remaining_ =
      gauge("baton_validity_remaining_seconds",
            "How long leadership is certain from now on; 0 if not leading.");
  prometheus::Gauge& silence_ = gauge(
      "baton_api_silence_seconds",
      "How long ago the API server last granted a request of the election's or its watch told "
      "something; before the first time, since the start.");
  prometheus::Family<prometheus::Gauge>& circuit_ =
      gauges("baton_api_circuit_open",
             "1 while the election's requests to the API server fail and are only sent again after "
             "a pause (states uncertain and degraded), by the kind of the last failure.",
             labels_);
  prometheus::Family<prometheus::Gauge>& expiry_ = gauges(
      "baton_credential_expiry_timestamp_seconds",
      "When a credential for the API server ends by its own word, in seconds since 1970.", labels_);
  prometheus::Family<prometheus::Gauge>& lifetime_ = gauges(
      "baton_credential_lifetime_seconds", "For how long that credential was issued.", labels_);
  prometheus::Family<prometheus::Gauge>& states_ =
      gauges("baton_state", "1 for the state the candidate is in, 0 for every other.", labels_);
  prometheus::Family<prometheus::Gauge>& traffic_ =
      gauges("baton_traffic_leads_here",
             "1 while the leader's Service leads to this Pod, as far as this candidate has written "
             "it. Only where such a Service is configured.",
             labels_);
  prometheus::Family<prometheus::Counter>& transitions_ =
      counters("baton_transitions_total",
               "Terms of this candidate that began (change=gained) or "
               "ended (change=lost, with the reason).",
               labels_);
  prometheus::Family<prometheus::Counter>& failures_ =
      counters("baton_request_failures_total",
               "Requests to the API server that failed, by request and kind of failure.", labels_);
  prometheus::Counter& attempts_ =
      counter("baton_acquisition_attempts_total",
              "Acquisitions written, won or not; over the terms gained: attempts per election.");
  prometheus::Counter& leaderless_ =
      counter("baton_leaderless_seconds_total",
              "Time in which this candidate knew of no leader whose record had not run out.");
  prometheus::Counter& warm_up_ =
      counter("baton_warm_up_seconds_total",
              "Time in which this candidate led and its application was not ready yet.");
  prometheus::Counter& rejections_ =
      counter("baton_fencing_rejections_total",
              "Writes that a resource refused for a stale token, as the application reported.");
  prometheus::Counter& watch_restarts_ =
      counter("baton_watch_restarts_total", "Watches of the Lease that ended and were renewed.");
  prometheus::Counter& clock_anomalies_ =
      counter("baton_clock_rate_anomalies_total",
              "Times this machine's clock was seen to run at a rate outside what rule R3 covers.");
  prometheus::Counter& history_ =
      counter("baton_history_went_back_total",
              "Times the store's history was seen to go back, as after a restore (rule R14).");
  prometheus::Counter& events_not_recorded_ =
      counter("baton_events_not_recorded_total",
              "Kubernetes Events that could not be recorded, or were dropped for want of time.");
  prometheus::Histogram& renew_latency_ = histogram(
      "baton_renew_latency_seconds",
      "Time from sending a renewal to its reply, of those that counted.", latency_buckets());
  prometheus::Histogram& renew_margin_;
  prometheus::Gauge& master_status_ =
      gauges("leader_election_master_status",
             "1 while this candidate leads, under client-go's name.", client_go_labels_)
          .Add({});
  prometheus::Counter& slowpath_ =
      counters("leader_election_slowpath_total",
               "Renewals whose first write did not settle it, client-go's name.", client_go_labels_)
          .Add({});

  const Instant start_;

  // Election's thread's.
  std::optional<std::string> gained_term_;  // whose end has not been counted
  std::string drain_reason_;

  std::mutex mutex_;                                   // protects what follows
  election::Status last_;                              // changed by the election's thread only
  std::optional<election::FailureKind> last_failure_;  // of the election's own requests
  Instant seen_ = kLongAgo;                            // time is accounted for up to here
  std::string led_term_;
  Instant led_since_ = kLongAgo;
};

}  // namespace baton::observe
