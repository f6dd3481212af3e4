#include "cli/advice.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>
#include <utility>

#include "base/text.h"
#include "config/table.h"

namespace baton::cli {
namespace {

using election::Duration;
using election::Timings;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLongestLease{3600};  // R4
// A server whose answers all become slower: three times the p99 is room for that. The tail that a
// short measurement has not seen: where tails are exponential, twice the longest of n is the
// longest of n squared.
constexpr int kOfP99 = 3;
constexpr int kOfLongest = 2;

/// One of the settings that timings consist of, and what it is called in formulas.
struct Part {
  std::string key, symbol;
  Duration value;
};
std::vector<Part> parts_of(const Timings& timings) {
  return {{"lease-duration", " D", timings.lease_duration},
          {"renew-deadline", " V", timings.renew_deadline},
          {"renew-period", " h", timings.renew_period},
          {"request-timeout", " R", timings.request_timeout},
          {"retry-min", "", timings.retry_min},
          {"retry-max", "", timings.retry_max}};
}

std::string percentiles(const std::vector<Duration>& lengths) {
  return "p50 " + rounded(percentile(lengths, 50)) + ", p99 " + rounded(percentile(lengths, 99)) +
         ", max " + rounded(percentile(lengths, 100));
}

std::string multiple(int times, Duration length) {
  return std::to_string(times) + " x " + rounded(length) + " = " + rounded(times * length);
}

/// So many in each period, as a rate.
std::string per_second(int count, Duration period) {
  std::ostringstream out;
  out << std::round(1000 * count / std::chrono::duration<double>(period).count()) / 1000;
  return out.str();
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

/// From a leader's crash right after a renewal to the next leader: D is waited out from when the
/// renewal was seen, with the lock-delay, then come the herd's spread (R17: half as much again as
/// the time from a write to its event, for each candidate but the leader and the first), a LIST and
/// a PUT.
Duration latest_take_over(const Timings& timings, const config::Settings& settings,
                          const Measured& measured) {
  const Duration spread =
      percentile(measured.events, 50) * 3 / 2 * std::max(settings.replicas - 2, 0);
  return timings.lease_duration + settings.lock_delay + spread + 2 * needs_of(measured).slowest;
}

/// What the timings are, cost and give, a line each.
std::vector<std::pair<std::string, std::string>> rows_of(const Timings& timings,
                                                         const config::Settings& settings,
                                                         const Measured& measured) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& [key, symbol, value] : parts_of(timings)) {
    rows.emplace_back(key + symbol, format_duration(value));
  }
  const int candidates = settings.replicas;
  const Duration earliest = timings.lease_duration - timings.renew_period + settings.lock_delay;
  const Duration survived = 2 * (timings.request_timeout + timings.retry_min);
  rows.emplace_back("next leader after a crash: earliest", rounded(earliest));
  rows.emplace_back("                           latest",
                    rounded(latest_take_over(timings, settings, measured)));
  rows.emplace_back("API outage that never costs the term", rounded(survived));
  rows.emplace_back("API outage that always costs it", rounded(timings.renew_deadline));
  rows.emplace_back("writes/s, by the leader alone", per_second(1, timings.renew_period));
  rows.emplace_back("watch events/s, to " + std::to_string(candidates) + " candidates",
                    per_second(candidates, timings.renew_period));
  return rows;
}

std::string table(const Timings& safe, const config::Settings& settings, const Measured& measured) {
  constexpr int kNames = 40, kValues = 16;
  std::ostringstream out;
  const auto row = [&](const std::string& name, const std::string& left, const std::string& right) {
    out << std::left << std::setw(kNames) << name << std::setw(kValues) << left << right << "\n";
  };
  row("", "smallest safe", "present");
  const auto left = rows_of(safe, settings, measured);
  const auto right = rows_of(settings.timings, settings, measured);
  for (std::size_t i = 0; i < left.size(); ++i) row(left[i].first, left[i].second, right[i].second);
  return out.str();
}

std::string formula(const Timings& safe, const Needs& needs) {
  const Duration timeout = safe.request_timeout;
  const Duration left = safe.renew_deadline - safe.renew_period - timeout;
  return "D is the least of whole seconds with V = 4/5 D, h = D/3, R = 2/15 D, retries of D/60 to "
         "3/100 D and\n"
         "  R = " +
         format_duration(timeout) + " >= 3 x p99 of the writes: " + multiple(kOfP99, needs.p99) +
         "\n"
         "  R = " +
         format_duration(timeout) +
         " >= 2 x slowest answer: " + multiple(kOfLongest, needs.slowest) +
         "\n"
         "  V - h - R = " +
         format_duration(left) + " >= 2 x longest pause: " + multiple(kOfLongest, needs.pause()) +
         "\n"
         "Then D >= 3 h, h + 3 R + 2 retry-max < V and 5 V <= 4 D hold too.\n";
}

std::string copies(const Timings& safe) {
  std::string yaml;
  for (const auto& [key, symbol, value] : parts_of(safe)) {
    yaml += (yaml.empty() ? "" : ", ") + key + ": " + format_duration(value);
  }
  return "flags: " + flags_of(safe) + "\nYAML:  {" + yaml + "}\n";
}

}  // namespace

Duration percentile(std::vector<Duration> lengths, int percent) {
  if (lengths.empty()) return Duration(0);
  const std::size_t rank = (lengths.size() * static_cast<std::size_t>(percent) + 99) / 100;
  const auto at = lengths.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(lengths.begin(), at, lengths.end());
  return *at;
}

Needs needs_of(const Measured& measured) {
  return {.p99 = percentile(measured.writes, 99),
          .slowest = std::max(percentile(measured.writes, 100), percentile(measured.reads, 100)),
          .stall = measured.stall};
}

std::vector<std::string> misfits(const Timings& timings, const Needs& needs) {
  std::vector<std::string> reasons;
  const auto demand = [&](Duration length, Duration least, const std::string& what,
                          const std::string& rule) {
    if (length >= least) return;
    reasons.push_back(what + " is " + format_duration(length) + ", below " + rule);
  };
  const Duration timeout = timings.request_timeout;
  demand(timings.lease_duration, 3 * timings.renew_period, "lease-duration",
         "3 x renew-period, " + format_duration(3 * timings.renew_period));
  demand(timeout, kOfP99 * needs.p99, "request-timeout",
         "3 x p99 of the writes, " + multiple(kOfP99, needs.p99));
  demand(timeout, kOfLongest * needs.slowest, "request-timeout",
         "2 x slowest answer, " + multiple(kOfLongest, needs.slowest));
  demand(timings.renew_deadline - timings.renew_period - timeout, kOfLongest * needs.pause(),
         "renew-deadline - renew-period - request-timeout",
         "2 x longest pause, " + multiple(kOfLongest, needs.pause()));
  return reasons;
}

Timings scaled_to(seconds lease_duration) {
  const Duration whole = lease_duration;
  const auto part = [&](int numerator, int denominator) {
    return std::chrono::floor<milliseconds>(whole * numerator / denominator);
  };
  return {.lease_duration = whole,
          .renew_deadline = part(4, 5),
          .renew_period = part(1, 3),
          .request_timeout = part(2, 15),
          .retry_min = part(1, 60),
          .retry_max = part(3, 100)};
}

std::optional<Timings> smallest_safe(const Needs& needs) {
  for (seconds duration(1); duration <= kLongestLease; ++duration) {
    const Timings timings = scaled_to(duration);
    if (misfits(timings, needs).empty()) return timings;
  }
  return {};
}

std::string flags_of(const Timings& timings) {
  std::string text;
  for (const auto& [key, symbol, value] : parts_of(timings)) {
    text += (text.empty() ? "--" : " --") + key + "=" + format_duration(value);
  }
  return text;
}

void describe(const Measured& measured, Findings& findings) {
  const auto& [writes, reads, events, stall] = measured;
  const auto list = [&](const std::vector<Duration>& lengths, const std::string& what) {
    if (lengths.empty()) return;
    findings.ok(std::to_string(lengths.size()) + " " + what + ": " + percentiles(lengths));
  };
  list(writes, "writes (PUT)");
  list(reads, "reads (LIST), each on a new connection");
  list(events, "events of the watch, from sending the write");
  if (writes.empty()) return;
  const Needs needs = needs_of(measured);
  findings.ok("longest pause " + rounded(needs.pause()) + ": this process stood still for " +
              rounded(stall) + ", the slowest answer took " + rounded(needs.slowest));
}

void advise(const Measured& measured, const config::Settings& settings, Findings& findings) {
  const Needs needs = needs_of(measured);
  const std::optional<Timings> safe = smallest_safe(needs);
  std::string fastest;  // of the profiles that fit
  for (const auto& [name, timings] : config::profiles()) {
    const auto reasons = misfits(timings, needs);
    if (!reasons.empty()) {
      findings.note("profile " + name + " does not fit: " + joined(reasons));
      continue;
    }
    findings.ok("profile " + name + " fits");
    if (fastest.empty()) fastest = name;
  }
  const auto reasons = misfits(settings.timings, needs);
  if (!safe) {
    findings.fail("timings", "no lease-duration up to 1h is safe here: " +
                                 joined(misfits(scaled_to(kLongestLease), needs)) +
                                 "; mend the API server or this machine first");
    return;
  }
  if (reasons.empty()) {
    findings.ok("the present timings fit");
  } else {
    findings.fail("the present timings",
                  joined(reasons) + "; use " +
                      (fastest.empty() ? "" : "the profile " + fastest + ", or ") +
                      "the smallest safe ones below, or slower ones");
  }
  findings.tell("\n" + table(*safe, settings, measured) + "\n" + formula(*safe, needs) + "\n" +
                copies(*safe));
}

}  // namespace baton::cli
