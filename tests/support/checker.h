// The one checker of every run: from the logs of all sidecars, the versions of the Lease in the
// store, the requests on their way there and the writes of applications, all on one BOOTTIME clock,
// it finds each way in which a promise was broken. The beliefs are the judge's (belief_log.h).
//
// What the sources cannot show is not judged: a version whose request was not seen, a hand's edit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/belief_log.h"

namespace baton::test {

/// A version of the Lease, in the order of the store; a deletion has no holder and no token.
struct LeaseVersion {
  std::int64_t seen_ns = 0;  // when a watch showed it: after it was applied
  std::int64_t revision = 0;
  std::string uid, holder, term_id, released, incarnation;
  std::int64_t token = 0;
  std::int64_t duration_s = 0;  // the larger of spec's and the term's own
  bool is_deleted = false;
};

/// A request as the proxy or the devserver received it: before it was applied.
struct RequestSeen {
  std::int64_t at_ns = 0;
  std::string user, verb, resource, holder;
  std::int64_t revision = 0;  // in the answer, 0 if none was given
};

/// A write of an application, as the fenced store received it.
struct StoreWrite {
  std::int64_t at_ns = 0;
  std::string writer, term_id;
  std::int64_t token = 0;
  bool is_accepted = false;
  std::int64_t asked_ns = 0;     // when the application asked its sidecar
  std::int64_t deadline_ns = 0;  // in the yes
};

struct Evidence {
  std::vector<NamedLog> logs;
  std::vector<LeaseVersion> versions;  // empty: not judged
  std::vector<RequestSeen> requests;
  std::vector<StoreWrite> writes;
  int requests_per_s = 0;  // the most that one user may send in any second; 0: not judged
  bool has_broken_history =
      false;  // the versions went back or have gaps: their order is not judged
};

struct Report {
  Verdict verdict;  // all violations are in here
  std::size_t refused_writes = 0;
  std::size_t corruptions = 0;  // what an unfenced twin of the store would have let happen
  std::size_t waits_checked = 0;
  int most_requests_per_s = 0;
};
Report check(const Evidence& evidence);

/// Sums of the reports of one test program, as one line for people.
class Summary {
 public:
  void add(const Report& report);
  std::string text() const;

 private:
  std::size_t runs_ = 0, terms_ = 0, violations_ = 0, writes_refused_ = 0, corruptions_ = 0,
              waits_ = 0;
  int most_requests_per_s_ = 0;
};

}  // namespace baton::test
