// How long a child of `baton exec` may work on. Pure: documents and the time in, an order out.
#pragma once

#include <algorithm>
#include <string>

#include "cli/document.h"

namespace baton::cli {

class Leash {
 public:
  enum class Order { work, stop, kill };

  /// `document` leads at `now`.
  Leash(const Document& document, Instant now)
      : term_id_(document.term_id),
        deadline_(document.deadline),
        validity_(document.validity > Duration(0) ? document.validity : document.deadline - now) {}

  /// An answer of the sidecar. Only a yes for the same term makes the leash longer; a no or another
  /// term ends it for ever, a yes that comes late included.
  void see(const Document& document, Instant now) {
    if (!document.leads(now) || document.term_id != term_id_ || order(now) != Order::work) {
      is_lost_ = true;
    } else {
      deadline_ = std::max(deadline_, document.deadline);
    }
  }

  /// work until the loss is known, or a sixth of the validity before the last deadline if nothing
  /// renews it (a sidecar that rides out the longest tolerated outage, 2 R + 2 retry_min, still
  /// answers before that); then stop; kill a 24th of the validity before the deadline.
  Order order(Instant now) const {
    if (now >= kill_at()) return Order::kill;
    return is_lost_ || now >= stop_at() ? Order::stop : Order::work;
  }

  /// When order() changes by time alone; kNever after kill.
  Instant next_change(Instant now) const {
    const Order current = order(now);
    return current == Order::work ? stop_at() : current == Order::stop ? kill_at() : kNever;
  }

 private:
  Instant stop_at() const { return deadline_ - validity_ / 6; }
  Instant kill_at() const { return deadline_ - validity_ / 24; }

  std::string term_id_;
  Instant deadline_;
  Duration validity_;
  bool is_lost_ = false;
};

}  // namespace baton::cli
