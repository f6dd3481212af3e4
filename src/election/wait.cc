#include "election/wait.h"

#include <algorithm>

#include "election/controls.h"
#include "election/record.h"

namespace baton::election {
namespace {

// FNV-1a, then murmur3's finalizer: the same everywhere, and one changed digit moves every bit.
std::uint64_t hash(const std::string& text) {
  std::uint64_t value = 14695981039346656037ULL;
  for (const char character : text) {
    value = (value ^ static_cast<unsigned char>(character)) * 1099511628211ULL;
  }
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdULL;
  return value ^ (value >> 33);
}

// Changes with the token, so that no candidate is favoured for long; below kShares.
constexpr std::int64_t kShares = std::int64_t{1} << 16;
std::int64_t share(const std::string& identity, Token token) {
  return static_cast<std::int64_t>(hash(identity + "/" + std::to_string(token)) >> 48);
}

std::string waiting_reason(const Memory& memory, const Lease& lease, Instant until, Duration wait) {
  const auto& newest = *memory.newest;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait).count();
  const std::string length = std::to_string(seconds) + " s without a change";
  if (memory.barred_until > newest.since) return "history went back (R14): waiting it out";
  if (until > newest.since + wait && memory.debt > newest.since + wait) {
    return "an earlier version of the record carried a longer duration: waiting it out (R4)";
  }
  if (lease.holder.empty() && !has_known_format(lease)) {
    return "unheld, and its baton/format is '" + lease.annotated(annotation::kFormat) +
           "', which this version does not read: waiting " + length;
  }
  if (lease.holder.empty()) return "unheld but not released by its holder: waiting " + length;
  return "held by " + lease.holder + ": its term expires after " + length;
}

std::string back_off_reason(const Candidate& self) {
  if (self.lost_terms < 2) return "";
  return "left to others first, since this candidate lost several terms by the clock within an "
         "hour (R18)";
}

Turn turn_after_release(const Candidate& self, const Observation& newest, Duration back_off,
                        std::string* reason) {
  if (is_handed_over_to(self, *newest.lease)) {
    return {.from = newest.since, .grounds = "handed over to this candidate (R18)"};
  }
  if (heir(*newest.lease).empty()) {
    if (reason != nullptr) *reason = back_off_reason(self);
    return {.from = newest.since + back_off, .grounds = "released by its holder (R4)"};
  }
  if (reason != nullptr) *reason = heir_reason(*newest.lease);
  return {.from = newest.since + std::max(back_off, self.hand_over_window),
          .grounds = "released, and not taken by whom it was handed over to (R4, R18)"};
}

}  // namespace

bool shows_own_term(const Candidate& self, const Lease& lease) {
  return lease.holder == self.identity && is_held_by_baton(lease) &&
         std::find(self.own_terms.begin(), self.own_terms.end(),
                   lease.annotated(annotation::kTerm)) != self.own_terms.end();
}

bool shows_own_pod(const Candidate& self, const Lease& lease) {
  return !self.incarnation.empty() && is_held_by_baton(lease) && lease.holder != self.identity &&
         lease.annotated(annotation::kIncarnation) == self.incarnation;
}

std::string obstacle(const Memory& memory) {
  if (memory.is_unversioned) {
    return "the Lease's resourceVersion is no positive integer (R6): without it there is no token; "
           "use an API server that keeps Leases in etcd";
  }
  const Lease* lease = memory.lease();
  if (lease == nullptr) return "";
  if (lease->being_deleted) {
    return "the Lease is being deleted (deletionTimestamp is set): remove its finalizers, or wait";
  }
  if (!lease->strategy.empty() || !lease->preferred_holder.empty()) {
    return "the Lease belongs to coordinated election (R13): remove spec.strategy and "
           "spec.preferredHolder, or choose another Lease";
  }
  if (has_invalid_token(*lease)) {
    return "the annotation baton/fencing-token is '" + lease->annotated(annotation::kFencingToken) +
           "', not a number from 1 to 999999999999999999 (R7): set it to the highest token that "
           "any resource has seen";
  }
  return "";
}

Duration waiting_time(const Lease& lease, Duration own) {
  const Duration carried = carried_duration(lease, own);
  return is_held_by_baton(lease) ? carried : std::max(carried, own);
}

Duration back_off(const Candidate& self, Token token) {
  if (self.lost_terms < 2) return Duration::zero();
  const Duration most = self.lease_duration / (1 << std::max(5 - self.lost_terms, 1));
  return (most + most * share(self.identity, token) / kShares) / 2;
}

bool is_handed_over_to(const Candidate& self, const Lease& lease) {
  return is_released(lease) && is_name_of(heir(lease), self.identity);
}

Turn turn(const Memory& memory, const Candidate& self, Instant handed_out, std::string* reason) {
  const Observation& newest = *memory.newest;
  if (!newest.lease) return {.from = newest.since, .grounds = "the Lease is missing (R5)"};
  const Lease& lease = *newest.lease;
  const Duration lock_delay = std::max(self.lock_delay, carried_lock_delay(lease));
  const Duration back_off = election::back_off(self, token_of(lease));

  const bool shortcuts =
      newest.since >= memory.barred_until && token_of(lease) >= memory.seen;  // R14
  if (shortcuts && is_released(lease)) return turn_after_release(self, newest, back_off, reason);
  if (shortcuts && lock_delay == Duration::zero()) {
    if (back_off == Duration::zero() && shows_own_term(self, lease)) {  // R10
      if (reason != nullptr && handed_out > newest.since) {
        *reason = "validity handed out for the term before is still running";
      }
      return {.from = std::max(newest.since, handed_out),
              .grounds = "shows an own term that is over (R10)"};
    }
    if (shows_own_pod(self, lease)) {
      return {.from = newest.since, .grounds = "held by an earlier process of this Pod (R19)"};
    }
  }

  const Duration wait = waiting_time(lease, self.lease_duration);
  Instant from = std::max(newest.since + wait, memory.debt) + lock_delay;
  from = std::max(from, memory.barred_until);
  if (lease.holder == self.identity) from = std::max(from, handed_out);
  if (reason != nullptr) {
    *reason = waiting_reason(memory, lease, from, wait);
    if (back_off > Duration::zero()) *reason += "; " + back_off_reason(self);
  }
  return {.from = from + back_off,
          .grounds = back_off > Duration::zero() ? "waited out, and left to others first (R4, R18)"
                     : lock_delay > Duration::zero() ? "waited out, its lock-delay too (R4, R18)"
                                                     : "waited out (R4)",
          .is_too_long = from > newest.since + kLongestTerm};
}

Duration spread(const std::string& identity, Token token, int replicas, Duration delta) {
  const std::int64_t followers = std::max(replicas - 1, 1);
  // Whole ones: whoever has the same place goes at once.
  return delta * (share(identity, token) * followers / kShares);
}

}  // namespace baton::election
