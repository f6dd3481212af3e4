#include "runtime/observer.h"

#include "observe/log.h"

namespace baton::runtime {
namespace {

using election::NoticeKind;
using observe::Level;

/// An Event is best effort: the API server has this long to take it.
constexpr Duration kEventTimeout = std::chrono::seconds(5);

Level level_of(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::observed:
    case NoticeKind::attempt:
      return Level::debug;
    case NoticeKind::gained:
    case NoticeKind::extended:
    case NoticeKind::draining:
    case NoticeKind::released:
    case NoticeKind::watch_ended:
      return Level::info;
    case NoticeKind::lost:
    case NoticeKind::write_unsettled:
    case NoticeKind::list_failed:
    case NoticeKind::blocked:
      return Level::warning;
    case NoticeKind::history_went_back:
      return Level::error;
  }
  return Level::info;
}

std::int64_t boottime_ns(Instant instant) { return instant.time_since_epoch().count(); }

}  // namespace

Observer::Observer(std::shared_ptr<observe::Metrics> metrics, SideWorker& worker,
                   std::shared_ptr<kube::SideClient> side, kube::LeaseEvent event)
    : metrics_(std::move(metrics)),
      worker_(worker),
      side_(std::move(side)),
      event_(std::move(event)) {}

void Observer::notice(const election::Notice& notice, const election::Status& status) {
  const std::string token = std::to_string(notice.token);
  const double took_ms = std::chrono::duration<double, std::milli>(notice.took).count();
  const bool believes = notice.kind == NoticeKind::gained || notice.kind == NoticeKind::extended;
  observe::log(level_of(notice.kind), to_string(notice.kind),
               {{"state", std::string(to_string(status.state))},
                {"reason", notice.reason},
                {"term_id", notice.term_id},
                {"token", token},
                {"version", std::to_string(notice.revision)},
                {"took_ms", took_ms},
                {"deadline_boottime_ns", believes ? boottime_ns(status.deadline) : 0}});

  metrics_->notice(notice);
  if (notice.kind == NoticeKind::extended) metrics_->renewed(notice.took);
  if (notice.kind == NoticeKind::watch_ended) metrics_->watch_restarted();
  if (notice.kind == NoticeKind::gained) send_event("became leader");
  if (notice.kind == NoticeKind::lost || notice.kind == NoticeKind::released) {
    send_event("stopped leading");
  }
}

void Observer::send_event(const std::string& verb) {
  if (!side_) return;
  auto event = event_;
  event.message = event_.identity + " " + verb;
  worker_.submit([side = side_, event] {
    const std::string failure = side->create_event(event, kEventTimeout);
    if (!failure.empty()) observe::log(Level::debug, "event not recorded", {{"reason", failure}});
  });
}

}  // namespace baton::runtime
