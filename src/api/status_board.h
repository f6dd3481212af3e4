// The status as the listeners read it, written by the election's thread alone. It also knows the
// largest validity ever handed out (section 5 e).
//
// Readers share one immutable snapshot. The mutex is held to take or to replace a pointer to it and
// to record what is handed out, never while a text is made or memory freed: so looking and
// recording are one step. A listener that loses its processor right then keeps the election's
// thread waiting: milliseconds at worst on an overloaded machine, where a renewal has seconds to
// spare.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "election/status.h"

namespace baton::api {

/// A published status. What depends on the time is computed for the moment of asking (R2).
struct StatusView {
  election::Status status;
  std::uint64_t change = 1;  // counts published changes; the document's `revision` is made of it
                             // and of a number drawn at the process's start

  /// Whether the answer is yes at `now`.
  bool leads(Instant now) const { return status.believes && now < status.deadline; }
  /// The deadline of a belief has passed before the election's thread has had its turn, as after a
  /// stop of the process.
  bool has_lapsed(Instant now) const { return status.believes && now >= status.deadline; }
  election::State state(Instant now) const {
    return has_lapsed(now) ? election::State::degraded : status.state;
  }
  /// How long it surely leads from `now` on; never less than nothing.
  Duration validity(Instant now) const { return leads(now) ? status.deadline - now : Duration(0); }
};

class StatusBoard {
 public:
  using View = std::shared_ptr<const StatusView>;

  /// Writer only. A status that differs from the one before only in deadline, fresh_at, watch_live
  /// and leader.expires is taken over without counting as a change. Returns whether those who wait
  /// should be told: a change, or another deadline of a belief. Texts are made printable and cut to
  /// about 500 bytes.
  bool publish(const election::Status& status);

  /// Any thread, as all below.
  View read() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  /// As read(), for an answer that gives validity away: if it leads at `now`, its deadline is
  /// recorded as handed out in the same step; so whoever publishes "no" and then reads handed_out()
  /// sees every deadline that any answer may carry.
  View read_for_answer(Instant now) {
    const std::lock_guard lock(mutex_);
    if (view_->leads(now)) {
      ++answers_;
      handed_out_ = std::max(handed_out_, view_->status.deadline);
    }
    return view_;
  }
  /// The largest deadline recorded, kLongAgo if none.
  Instant handed_out() const {
    const std::lock_guard lock(mutex_);
    return handed_out_;
  }
  /// How many answers have given validity away.
  std::uint64_t answers() const {
    const std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  mutable std::mutex mutex_;                    // protects what follows
  View view_ = std::make_shared<StatusView>();  // replaced by the writer only
  Instant handed_out_ = kLongAgo;
  std::uint64_t answers_ = 0;
};

}  // namespace baton::api
