#include "election/term.h"

#include <algorithm>
#include <utility>

#include "election/record.h"

namespace baton::election {

bool is_outcome(const Attempt& attempt, const Lease& lease, const std::string& identity) {
  return lease.uid == attempt.uid && shows_term(lease, identity, attempt.term_id) &&
         lease.annotated(annotation::kFencingToken) == std::to_string(attempt.token) &&
         lease.annotated(annotation::kAttempt) == attempt.id && lease.version &&
         *lease.version > attempt.base_version;
}

void Attempts::remember(Attempt attempt) { attempts_.push_back(std::move(attempt)); }

void Attempts::expire(Instant now, Duration renew_deadline) {
  std::erase_if(attempts_,
                [&](const Attempt& attempt) { return now >= attempt.sent + renew_deadline; });
}

void Attempts::forget_term(const std::string& term_id) {
  std::erase_if(attempts_, [&](const Attempt& attempt) { return attempt.term_id == term_id; });
}

void Attempts::forget_all() { attempts_.clear(); }

Attempt* Attempts::find(const std::string& id) {
  const auto found = std::find_if(attempts_.begin(), attempts_.end(),
                                  [&](const Attempt& attempt) { return attempt.id == id; });
  return found == attempts_.end() ? nullptr : &*found;
}

bool Attempts::has_unsettled_acquisition(Revision newest) const {
  return std::any_of(attempts_.begin(), attempts_.end(), [&](const Attempt& attempt) {
    return attempt.kind == WriteKind::acquire && !attempt.is_settled &&
           attempt.base_version >= newest;
  });
}

}  // namespace baton::election
