// The values of the election's core as the flight recorder writes them down: as JSON and back
// without loss (but for Lease::document, which no rule looks at), and as a digest.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "election/election.h"

namespace baton::observe {

/// FNV-1a, 64 bits: against accidents, not against forgers. `so_far` continues an earlier one.
std::uint64_t checksum(std::string_view bytes, std::uint64_t so_far = 14695981039346656037ULL);

/// Of all that an election answered to one step. Takes microseconds and allocates nothing.
std::uint64_t digest(const election::Step& step, const election::Status& status);

nlohmann::ordered_json to_json(const election::Event& event);
/// Everything that the election's next step depends on.
nlohmann::ordered_json to_json(const election::Election& election);

// All throw a std::exception if `json` was not written by the functions above.
std::int64_t whole_number(const nlohmann::ordered_json& json, std::int64_t least,
                          std::int64_t most);
election::Event event_of(const nlohmann::ordered_json& json);
election::Election election_of(const nlohmann::ordered_json& json);

}  // namespace baton::observe
