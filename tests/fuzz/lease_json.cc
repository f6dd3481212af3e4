// Leases, lists and watch lines as an API server, or somebody else, may send them; and what baton
// writes over a Lease: nothing but its own fields changes (R9).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "election/record.h"
#include "fuzz/target.h"
#include "kube/lease_codec.h"

namespace baton::fuzz {
namespace {

using election::Lease;
using election::LeaseWrite;
using election::WriteKind;
using nlohmann::json;

/// A Lease without what baton writes.
json others_part(json object) {
  for (const char* own : {"apiVersion", "kind"}) object.erase(own);
  for (const char* part : {"metadata", "spec"}) {
    if (!object[part].is_object()) object[part] = json::object();
  }
  json& metadata = object["metadata"];
  for (const char* own : {"name", "namespace", "uid", "resourceVersion", "managedFields"}) {
    metadata.erase(own);
  }
  json annotations = json::object();
  if (metadata["annotations"].is_object()) {
    for (const auto& [key, value] : metadata["annotations"].items()) {
      if (!key.starts_with(election::annotation::kPrefix)) annotations[key] = value;
    }
  }
  metadata["annotations"] = annotations;
  for (const char* own :
       {"holderIdentity", "leaseDurationSeconds", "leaseTransitions", "renewTime", "acquireTime"}) {
    object["spec"].erase(own);
  }
  return object;
}

void check(const Lease& lease) {
  require(!lease.uid.empty(), "a decoded Lease has a uid");
  require(!lease.version || *lease.version > 0, "a version is a positive integer (R6)");
  require(election::token_of(lease) >= 0 && election::token_of(lease) <= election::kMaxToken,
          "an accepted token is in 1..10^18-1 (R7)");
  require(election::has_invalid_token(lease) ==
              (lease.annotations.contains(election::annotation::kFencingToken) &&
               election::token_of(lease) == 0),
          "a token is accepted or refused");
  for (const election::Duration duration :
       {election::carried_duration(lease, std::chrono::seconds(15)),
        election::carried_lock_delay(lease),
        election::owed_duration(lease, election::Duration(1))}) {
    require(duration >= election::Duration::zero() && duration <= election::kLongest,
            "a duration read from a record is bounded");
  }

  const LeaseWrite write{.kind = WriteKind::renew,
                         .base = lease,
                         .holder = "me",
                         .duration_s = 15,
                         .transitions = lease.transitions,
                         .annotations = lease.annotations};
  const std::string now = "2026-01-02T03:04:05.000000Z";
  const std::string encoded = kube::encode_write(write, "shop", "web", now);
  const auto again = kube::decode_lease(encoded);
  require(again.ok(), "what baton writes can be read");
  require(again->uid == lease.uid && again->version == lease.version && again->holder == "me" &&
              again->duration_s == 15 && again->transitions == lease.transitions &&
              again->annotations == lease.annotations,
          "what baton writes reads as it was meant");
  require(others_part(kube::received(lease)) == others_part(json::parse(encoded)),
          "a write leaves all that is not baton's as it was (R9)");
}

}  // namespace

BATON_FUZZ_TARGET(lease_json) {
  const auto lease = kube::decode_lease(input);
  if (lease.ok()) check(*lease);
  if (!lease.ok()) require_one_line(lease.error());

  const auto list = kube::decode_lease_list(input, "web");
  if (!list.ok()) require_one_line(list.error());
  if (list.ok()) require(list->revision > 0, "a list has a revision");
  if (list.ok() && list->lease) check(*list->lease);

  const kube::WatchLine line = kube::decode_watch_line(input);
  if (!line.event) return require_one_line(line.failure.what);
  require(line.event->revision > 0, "an event has a revision");
  const bool is_bookmark = line.event->kind == election::WatchEventKind::bookmark;
  require(line.event->lease.has_value() != is_bookmark, "all events but bookmarks carry a Lease");
  if (line.event->lease) check(*line.event->lease);
}

}  // namespace baton::fuzz
