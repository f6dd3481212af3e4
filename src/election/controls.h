// R18: what people ask of an election by annotations of its Lease: a pause, a resign, a hand-over.
//
// They renew nothing, so they are no part of the record that R4 waits for; and they only ever ask a
// term to end or candidates to wait, so that no value of them can make two leaders. Each is bound
// to a time or to the token of one term: none does anything for a second time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "election/lease.h"
#include "election/time.h"

namespace baton::election {

/// A pause that ends later than this is refused: a slip of the pen must not stop an election.
inline constexpr Duration kLongestPause = std::chrono::hours(24);

/// The annotation is one of the three.
bool is_control(std::string_view key);

/// baton/pause-until: when the pause ends; kLongAgo where there is none, or it is refused.
Instant pause_end(const Lease& lease, Instant now);
/// Why baton/pause-until is refused; "" where it is obeyed or there is none.
std::string refused_pause(const Lease& lease, Instant now);
/// For people: "paused until …".
std::string pause_reason(const Lease& lease);

/// Why the term of `token` that this record shows has to resign; "" where nobody asks it to.
std::string asked_to_resign(const Lease& lease, const std::string& identity, Token token,
                            Instant now);

/// baton/hand-over-to: whom the term that this record shows is to be handed over to, a Pod's name
/// or an identity; "" for anybody.
std::string heir(const Lease& lease);
/// For people: that it was released for the heir, of whom there is one.
std::string heir_reason(const Lease& lease);
/// `name` is this candidate's identity, or its Pod's name.
bool is_name_of(const std::string& name, const std::string& identity);

/// A control that the term of `token` cannot obey: said once, and dropped by its next write.
struct RefusedControl {
  const char* key;
  std::string why;
};
std::vector<RefusedControl> refused_controls(const Lease& lease, const std::string& identity,
                                             Token token, Instant now);

}  // namespace baton::election
