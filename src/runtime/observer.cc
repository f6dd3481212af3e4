#include "runtime/observer.h"

#include "base/failpoint.h"
#include "base/text.h"
#include "observe/log.h"

namespace baton::runtime {
namespace {

using election::NoticeKind;
using observe::Level;

/// An Event is best effort: the API server has this long to take it.
constexpr Duration kEventTimeout = std::chrono::seconds(5);
/// It waits so long, so that its write does not meet those of the hand-over that it tells of: they
/// were seen to take twice as long then (scripts/bench handover).
constexpr Duration kEventDelay = std::chrono::milliseconds(100);

Level level_of(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::observed:
    case NoticeKind::attempt: return Level::debug;
    case NoticeKind::gained:
    case NoticeKind::extended:
    case NoticeKind::draining:
    case NoticeKind::released:
    case NoticeKind::control_obeyed:
    case NoticeKind::watch_ended: return Level::info;
    case NoticeKind::lost:
    case NoticeKind::write_unsettled:
    case NoticeKind::list_failed:
    case NoticeKind::control_refused:
    case NoticeKind::blocked: return Level::warning;
    case NoticeKind::history_went_back: return Level::error;
  }
  return Level::info;
}

std::int64_t boottime_ns(Instant instant) { return instant.time_since_epoch().count(); }

}  // namespace

Observer::Observer(Worker& worker, std::shared_ptr<kube::Credentials> credentials,
                   std::shared_ptr<kube::SideClient> side, kube::ObjectEvent of_lease,
                   kube::ObjectEvent of_pod, const election::Timings& timings)
    : worker_(worker),
      credentials_(std::move(credentials)),
      side_(std::move(side)),
      of_lease_(std::move(of_lease)),
      of_pod_(std::move(of_pod)),
      metrics_(of_lease_.name, of_lease_.namespace_name, of_lease_.identity, timings, boot_now()) {}

void Observer::notice(const election::Notice& notice, const election::Status& status,
                      const Moment& moment) {
  const std::string token = std::to_string(notice.token);
  const double took_ms = std::chrono::duration<double, std::milli>(notice.took).count();
  const bool believes = notice.kind == NoticeKind::gained || notice.kind == NoticeKind::extended;
  if (believes) failpoint(Failpoint::belief_before_log);
  observe::log(level_of(notice.kind), to_string(notice.kind),
               {{"state", std::string(to_string(status.state))},
                {"reason", notice.reason},
                {"term_id", notice.term_id},
                {"token", token},
                {"version", std::to_string(notice.revision)},
                {"took_ms", took_ms},
                {"decided_boottime_ns", boottime_ns(moment.decided)},
                {"published_boottime_ns", boottime_ns(moment.published)},
                {"deadline_boottime_ns", believes ? boottime_ns(status.deadline) : 0}});

  if (believes) failpoint(Failpoint::belief_logged);
  metrics_.notice(notice, moment.decided);
  if (notice.kind == NoticeKind::gained)
    send_event(of_lease_, of_lease_.identity + " became leader");
  if (notice.kind == NoticeKind::lost || notice.kind == NoticeKind::released) {
    send_event(of_lease_, of_lease_.identity + " stopped leading");
  }
  const auto warn = [this](const std::string& what) {
    kube::ObjectEvent alarm = of_lease_;
    alarm.type = "Warning";
    send_event(alarm, what);
  };
  if (notice.kind == NoticeKind::history_went_back) {
    warn(of_lease_.identity + " saw the Lease's history go back: " + notice.reason);
  }
  // Who asked for it by kubectl reads there what came of it.
  if (notice.kind == NoticeKind::control_obeyed) {
    send_event(of_lease_, of_lease_.identity + " resigns: " + printable(notice.reason, 400));
  }
  if (notice.kind == NoticeKind::control_refused) {
    warn(of_lease_.identity + " does not obey: " + printable(notice.reason, 400));
  }
  // Where people look when their Pod does not become Ready.
  if (notice.kind == NoticeKind::blocked && !of_pod_.uid.empty()) {
    send_event(of_pod_, "blocked: " + notice.reason);
  }
}

void Observer::stepped(const election::Status& status, std::int64_t server_date_s, Instant now) {
  metrics_.status(status, now);
  if (const auto gap_s = clock_check_.sample(server_date_s, now)) {
    metrics_.clock_rate_anomaly();
    observe::log(Level::warning, "clock rate anomaly", {{"server_ahead_s", *gap_s}});
  }
}

void Observer::rejected(const api::Rejection& rejection) {
  metrics_.rejection();
  observe::log(Level::error, "stale token refused",
               {{"token", rejection.token},
                {"highest_token", rejection.highest_token},
                {"resource", rejection.resource}});
  if (of_pod_.uid.empty()) return;
  {
    const std::lock_guard lock(rejected_mutex_);
    if (rejection.token == rejected_token_) return;
    rejected_token_ = rejection.token;
  }
  kube::ObjectEvent alarm = of_pod_;
  alarm.type = "Warning";
  const auto words = [](const std::string& text) { return printable(text, 100); };
  send_event(alarm, "stale token " + words(rejection.token) + " refused by \"" +
                        words(rejection.resource) + "\", which has seen \"" +
                        words(rejection.highest_token) + "\"");
}

void Observer::send_event(kube::ObjectEvent event, const std::string& what) {
  if (!side_) return;
  event.message = what;
  const bool is_queued = worker_.submit(
      [this, event] {
        const std::string failure = side_->create_event(event, kEventTimeout);
        if (failure.empty()) return;
        metrics_.event_not_recorded();
        observe::log(Level::info, "event not recorded", {{"reason", failure}});
      },
      kEventDelay);
  if (!is_queued) metrics_.event_not_recorded();
}

std::string Observer::metrics_page() {
  const kube::Validity token = credentials_->token_validity();
  metrics_.credential("token", token.from_s, token.until_s);
  const kube::Validity certificate = credentials_->client_certificate_validity();
  metrics_.credential("client-certificate", certificate.from_s, certificate.until_s);
  return metrics_.text(boot_now());
}

}  // namespace baton::runtime
