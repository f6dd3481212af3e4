#include "observe/timeline.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/text.h"
#include "observe/narrative.h"

namespace baton::observe {
namespace {

using election::Event;
using election::Failure;
using election::NoticeKind;
using election::Status;

/// A timer that fires this late was held up by more than a busy machine's scheduler.
constexpr Duration kLate = std::chrono::milliseconds(100);

std::string rounded(Duration length) {
  return format_duration(std::chrono::round<std::chrono::milliseconds>(length));
}

}  // namespace

void cut(Timeline& timeline, Instant from) {
  for (Lane& lane : timeline.lanes) {
    std::erase_if(lane.bars, [from](const Bar& bar) { return bar.until < from; });
    std::erase_if(lane.marks, [from](const Mark& mark) { return mark.at < from; });
    for (Bar& bar : lane.bars) bar.from = std::max(bar.from, from);
  }
}

LaneTracer::LaneTracer(std::string name, std::function<Instant(Instant)> to_axis)
    : to_axis_(std::move(to_axis)) {
  lane_.name = std::move(name);
}

void LaneTracer::add(Bar::Kind kind, Instant from, Instant until, std::string label,
                     std::string tip) {
  lane_.bars.push_back({kind, axis(from), axis(until), std::move(label), std::move(tip)});
}

void LaneTracer::step(const Event& event, Instant now, const election::Step& step,
                      const Status& status) {
  if (wake_at_ != kNever && now - wake_at_ > kLate) {
    add(Bar::Kind::stall, wake_at_, now, "",
        "did not run for " + rounded(now - wake_at_) + ": stopped, or starved of the processor");
  }
  if (!gap_.empty()) add(Bar::Kind::stall, last_, now, "", std::exchange(gap_, ""));
  last_ = now;
  wake_at_ = step.wake_at;
  std::visit(
      [&](const auto& happened) {
        if constexpr (requires { happened.failure.what; }) {
          const std::string why =
              std::string(to_string(happened.failure.kind)) + ": " + happened.failure.what;
          if constexpr (std::is_same_v<decltype(happened), const election::WatchEnded&>) {
            watch_ended(now, why);
          } else {
            answered(happened.id, now, why);
          }
        } else if constexpr (
            requires { happened.id; } && !requires { happened.kind; }) {
          answered(happened.id, now, "");
        }
      },
      event);
  for (const election::Action& action : step.actions) {
    if (const auto* list = std::get_if<election::SendList>(&action)) {
      requests_[list->id] = {"LIST", now};
    } else if (const auto* put = std::get_if<election::SendWrite>(&action)) {
      requests_[put->id] = {describe(put->write, ""), now};
    } else if (std::holds_alternative<election::StartWatch>(action)) {
      watch_ended(now, "replaced");
      watch_from_ = now;
    } else if (std::holds_alternative<election::StopWatch>(action)) {
      watch_ended(now, "dropped");
    } else if (const auto* notice = std::get_if<election::Notice>(&action)) {
      note(*notice, now);
    }
  }
  follow(belief_, Bar::Kind::belief, status.believes, now, status);
  follow(draining_, Bar::Kind::draining, status.state == election::State::draining, now, status);
}

void LaneTracer::answered(election::RequestId id, Instant now, const std::string& failure) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  const auto& [what, sent] = found->second;
  const bool failed = !failure.empty();
  add(failed ? Bar::Kind::failed_request : Bar::Kind::request, sent, now, "",
      what + ": " + (failed ? failure : "answered") + " after " + rounded(now - sent));
  requests_.erase(found);
}

void LaneTracer::watch_ended(Instant now, const std::string& why) {
  if (!watch_from_) return;
  add(Bar::Kind::watch, *watch_from_, now, "", "watch, then " + why);
  lane_.marks.push_back({Mark::Kind::watch_ended, axis(now), "the watch ended: " + why});
  watch_from_.reset();
}

/// Begins, extends and ends the bar of the term that `status` speaks of.
void LaneTracer::follow(std::optional<Tenure>& tenure, Bar::Kind kind, bool is_on, Instant now,
                        const Status& status) {
  if (tenure && !(is_on && tenure->term_id == status.term_id)) {
    tenure->bar.until = std::min(tenure->bar.until, axis(now));
    lane_.bars.push_back(std::move(tenure->bar));
    tenure.reset();
  }
  if (!is_on) return;
  const std::string token = "token " + std::to_string(status.token);
  if (!tenure) {
    const bool believes = kind == Bar::Kind::belief;
    tenure = {{kind, axis(now), {}, token + " · term " + status.term_id, ""}, status.term_id};
    tenure->bar.tip = (believes ? "leads, " : "draining (" + status.reason + "), ") + token +
                      ", term " + status.term_id;
  }
  tenure->bar.until = kind == Bar::Kind::belief ? axis(status.deadline) : kNever;
}

void LaneTracer::note(const election::Notice& notice, Instant now) {
  const auto mark = [&](Mark::Kind kind, const std::string& what) {
    const std::string why = notice.reason.empty() ? "" : ": " + notice.reason;
    lane_.marks.push_back({kind, axis(now), what + why});
  };
  const std::string token = "token " + std::to_string(notice.token);
  switch (notice.kind) {
    case NoticeKind::gained: return mark(Mark::Kind::gained, "began a term with " + token);
    case NoticeKind::lost: return mark(Mark::Kind::lost, "lost the term of " + token);
    case NoticeKind::released: return mark(Mark::Kind::released, "released the term of " + token);
    case NoticeKind::history_went_back: return mark(Mark::Kind::alarm, "the history went back");
    case NoticeKind::blocked: return mark(Mark::Kind::alarm, "blocked");
    default: return;
  }
}

void LaneTracer::gap(std::string why) {
  lane_ = finish();
  gap_ = std::move(why);
  wake_at_ = kNever;
}

Lane LaneTracer::finish() {
  for (std::optional<Tenure>* tenure : {&belief_, &draining_}) {
    if (!*tenure) continue;
    Bar& bar = (*tenure)->bar;
    if (bar.kind == Bar::Kind::draining) bar.until = axis(last_);
    lane_.bars.push_back(std::move(bar));
    tenure->reset();
  }
  for (const auto& [id, request] : requests_) {
    add(Bar::Kind::request, request.sent, last_, "", request.what + ": no answer is known");
  }
  requests_.clear();
  if (watch_from_) add(Bar::Kind::watch, *watch_from_, last_, "", "watch, still open");
  watch_from_.reset();
  return std::exchange(lane_, {lane_.name, {}, {}});
}

}  // namespace baton::observe
