// What one version of the Lease says (design section 3): pure readings of a Lease, nothing kept.
//
// The annotations are strings that anybody can edit. Every reading here is total: a value that is
// no positive number is as good as absent, a huge one saturates, and nothing overflows.
#pragma once

#include <cstdint>
#include <string>

#include "election/lease.h"
#include "election/time.h"

namespace baton::election {

/// The largest length of time read from a record: twice this beside any clock fits in 64 bits.
inline constexpr Duration kLongest = std::chrono::hours(24 * 365 * 50);

/// R4: no term of baton is longer (check_timings); a record that carries more is obeyed while it
/// stands, with the state blocked.
inline constexpr Duration kLongestTerm = std::chrono::hours(1);

/// What this code writes as baton/format. Formats only add, so it reads any lower one too; a record
/// of a higher one may mean what it does not know: it is a foreign elector's, and its token counts.
extern const std::int64_t kRecordFormat;

/// Whole seconds as a Duration, saturating at kLongest; zero or negative gives zero.
Duration whole_seconds(std::int64_t seconds);

/// R7: the annotated token, 0 if absent or invalid.
Token token_of(const Lease& lease);
/// R7: a token is annotated, and it is no decimal integer from 1 to kMaxToken.
bool has_invalid_token(const Lease& lease);

/// Its format is kRecordFormat or a lower one, or it has none.
bool has_known_format(const Lease& lease);
/// The annotations describe the holder: it is a baton candidate of a format known here.
bool is_held_by_baton(const Lease& lease);

/// R4: unheld, and the mark names the term and the transitions that the record shows.
bool is_released(const Lease& lease);
/// The value of baton/released for the term that `lease` shows.
std::string release_mark(const Lease& lease);

/// The record names `identity` as the holder, in the term `term_id`.
bool shows_term(const Lease& lease, const std::string& identity, const std::string& term_id);

/// R4: uid, spec and baton/* are equal; labels, other annotations and controls do not count.
bool is_same_record(const Lease& one, const Lease& other);

/// max(leaseDurationSeconds, baton/duration); `own` where the record carries neither.
Duration carried_duration(const Lease& lease, Duration own);
/// R4: the validity that a superseded version may have left behind. No term of baton lies behind a
/// duration above kLongestTerm: it counts as `own`, so that a wrong value does no lasting harm.
Duration owed_duration(const Lease& lease, Duration own);
/// R18: baton/lock-delay where it describes the holder, of whatever format, or the record is
/// unheld, else zero.
Duration carried_lock_delay(const Lease& lease);

/// Two held records of the same term, baton's or foreign, have equal keys; "" if unheld.
std::string term_key(const Lease& lease);

}  // namespace baton::election
