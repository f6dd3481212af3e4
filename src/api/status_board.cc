#include "api/status_board.h"

#include "base/text.h"

namespace baton::api {
namespace {

using election::Status;

constexpr std::size_t kLongestText = 500;  // a Pod's name has at most 253 bytes, ours adds under 64

// What the status document does not show, or shows as it passes, makes no change.
Status without_times(Status status) {
  status.deadline = status.fresh_at = status.leader.expires = kLongAgo;
  status.watch_live = false;
  return status;
}

}  // namespace

bool StatusBoard::publish(const Status& status) {
  auto next = std::make_shared<StatusView>(StatusView{.status = status});
  for (std::string* text :
       {&next->status.term_id, &next->status.reason, &next->status.leader.identity,
        &next->status.leader.address, &next->status.leader.since}) {
    *text = printable(*text, kLongestText);
  }
  const StatusView& last = *view_;
  const bool changed = without_times(next->status) != without_times(last.status);
  const bool extended = status.believes && status.deadline != last.status.deadline;
  next->change = last.change + (changed ? 1 : 0);
  View replaced = std::move(next);  // freed after the lock
  const std::lock_guard lock(mutex_);
  view_.swap(replaced);
  return changed || extended;
}

}  // namespace baton::api
