// Lease JSON <-> the rules' view of it, without loss: an encoded write is the base object as it was
// received with only the rules' fields changed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "election/event.h"

namespace baton::kube {

/// Any JSON object of bounded size and depth, so that it can be copied and written.
Result<nlohmann::json> parse_object(std::string_view text);

/// One Lease object. Wrong types, or no object: an error in one line. A Lease without spec is
/// unheld.
Result<election::Lease> decode_lease(std::string_view json);
/// The same of an object that is parsed already.
Result<election::Lease> decode_lease_object(nlohmann::json object);

/// The object that a Lease was decoded from, without managedFields. Only of a decoded one.
const nlohmann::json& received(const election::Lease& lease);

struct LeaseList {
  election::Revision revision;
  std::optional<election::Lease> lease;  // the one named, if it is in the list
};
Result<LeaseList> decode_lease_list(std::string_view json, const std::string& name);

/// One line of a watch. An ERROR event becomes a Failure (410: gone).
struct WatchLine {
  std::optional<election::Watched> event;  // id not set
  election::Failure failure;               // if there is no event
};
WatchLine decode_watch_line(std::string_view line);
/// The object in a line that tells of a change, if the line is put as API servers put it; else "".
std::string_view modified_object(std::string_view line);

/// The body of the PUT. `now_micro` is the wall clock as MicroTime (renewTime; acquireTime too when
/// acquiring). Without managedFields (R1).
std::string encode_write(const election::LeaseWrite& write, const std::string& namespace_name,
                         const std::string& name, const std::string& now_micro);

/// A v1 Status body's message, or the start of whatever came instead. For error lines.
std::string status_message(std::string_view body);

/// What an HTTP status other than 200 and 201, or the code of an ERROR event, means to the
/// election.
election::FailureKind failure_kind(int status);

}  // namespace baton::kube
