#include "cli/leash.h"

#include <algorithm>

namespace baton::cli {

Leash::Leash(const Document& document, Instant now)
    : term_id_(document.term_id),
      deadline_(document.deadline),
      validity_(document.validity > Duration(0) ? document.validity : document.deadline - now) {}

void Leash::see(const Document& document, Instant now) {
  if (!document.leads(now) || document.term_id != term_id_ || order(now) != Order::work) {
    is_lost_ = true;
  } else {
    deadline_ = std::max(deadline_, document.deadline);
  }
}

Leash::Order Leash::order(Instant now) const {
  if (now >= kill_at()) return Order::kill;
  return is_lost_ || now >= stop_at() ? Order::stop : Order::work;
}

Instant Leash::next_change(Instant now) const {
  const Order current = order(now);
  return current == Order::work ? stop_at() : current == Order::stop ? kill_at() : kNever;
}

}  // namespace baton::cli
