// What one candidate is told at its start. Checked by config/ before it gets here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "election/fields.h"
#include "election/lease.h"
#include "election/time.h"

namespace baton::election {

/// Durations of design section 3. check_timings() states the rules between them.
struct Timings {
  Duration lease_duration;   // D, whole seconds
  Duration renew_deadline;   // V: belief lasts this long after *sending* a renewal; 5 V <= 4 D (R3)
  Duration renew_period;     // h, counted from sending
  Duration request_timeout;  // R, for each request
  Duration retry_min;        // after a failed request, uniformly in [retry_min, retry_max]
  Duration retry_max;

  BATON_FIELDS(lease_duration, renew_deadline, renew_period, request_timeout, retry_min, retry_max)
};

/// Empty if the timings obey R3 and R15 (h + 3 R + 2 retry_max < V), else one line for each rule
/// that they break: the values, the rule and the mend.
std::vector<std::string> check_timings(const Timings& timings);

/// R18: a maximum term below this costs more hand-overs than it spreads the work.
inline constexpr int kShortestMaxTerm = 10;  // times D

struct Options {
  std::string identity;     // holderIdentity, unique per process start
  std::string incarnation;  // "<pod UID>/<boot id>/<network namespace inode>"; "" forbids R19
  std::string address;      // baton/address, "" for none
  Timings timings;
  int replicas = 3;                  // N of R17
  Duration write_delta{25'000'000};  // the least delta of R17 until a write has measured it
  Duration lock_delay{0};            // L of R18, whole seconds
  Token token_floor = 0;             // R7
  Duration warm_up_limit{0};         // > 0: wait for ready-to-lead, at most this long (warming)
  Duration max_term{0};              // > 0: a term that has lasted this long is handed over (R18)
  Duration announcement{30'000'000'000};  // how long an announced resign holds (section 5)
  std::uint64_t seed = 0;                 // for term ids, attempts and jitter; from the runtime's
  std::uint64_t seed2 = 0;                // random device, 128 bits in all

  BATON_FIELDS(identity, incarnation, address, timings, replicas, write_delta, lock_delay,
               token_floor, warm_up_limit, max_term, announcement, seed, seed2)
};

}  // namespace baton::election
