// The status document (design section 4) as the commands need it, and the stream it comes by.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace baton::cli {

struct Document {
  std::string json;  // as it came
  bool is_leader = false;
  std::string state, reason, election, namespace_name, pod;
  std::string fencing_token, term_id, revision;
  Instant deadline = kLongAgo;  // on CLOCK_BOOTTIME, which all containers of a Pod share
  Duration validity{0};         // V of the election, 0 if not told
  std::string leader_pod, leader_identity, leader_address, leader_token, leader_since;
  std::string leader_transitions;
  std::string traffic, traffic_reason;  // "" where no Service is led to the leader

  /// Whether a yes may be acted upon at `now`: complete, and its deadline ahead.
  bool leads(Instant now) const;
};

/// An error in one line if it is no status document.
Result<Document> parse_document(std::string_view json);

/// The body of a request that speaks of one term, and of one holder of it unless "".
std::string term_body(const std::string& term_id, const std::string& holder);

/// Server-sent events, line by line.
class EventLines {
 public:
  /// The data of the event that `line` completes, empty for all other lines.
  std::optional<std::string> feed(std::string_view line);

 private:
  std::string data_;
};

}  // namespace baton::cli
