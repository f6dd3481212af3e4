// Metrics of one election in Prometheus' text format, under baton_* with base units, and
// client-go's two names. Fed by notices and statuses on the election's thread, read on a
// listener's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "election/action.h"
#include "election/status.h"

namespace baton::observe {

class Metrics {
 public:
  /// `name` and `namespace_name` of the election label every series.
  Metrics(const std::string& name, const std::string& namespace_name, const std::string& identity);
  ~Metrics();

  void notice(const election::Notice& notice);
  /// After each step. Keeps what a scrape computes: leader uptime, leaderless seconds, remaining.
  void status(const election::Status& status, Instant now);
  void renewed(election::Duration latency);  // of each renewal that counted
  void request_failed(const std::string& request, election::FailureKind kind);
  void rejection();
  void watch_restarted();
  void clock_rate_anomaly();

  /// The whole page; gauges that depend on time are computed for `now`.
  std::string text(Instant now);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::observe
