#include "kube/object_codec.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "kube/formats.h"

namespace baton::kube {
namespace {

using nlohmann::json;

/// Nothing is copied or written from what is parsed here, so depth needs no bound.
json parse(std::string_view text) { return json::parse(text, nullptr, false); }

/// The value at a JSON pointer, null where there is none.
const json& at(const json& object, const char* pointer) {
  static const json kNone;
  const json::json_pointer path(pointer);
  return object.contains(path) ? object.at(path) : kNone;
}

std::string dump(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string text_at(const json& object, const char* pointer) {
  const json& found = at(object, pointer);
  return found.is_string() ? found.get<std::string>() : "";
}

Claims decode_claims(std::string_view token) {
  Claims claims;
  const auto first = token.find('.');
  const auto second = token.find('.', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) return claims;
  const auto payload = decode_base64(token.substr(first + 1, second - first - 1));
  const json object = parse(payload.value_or(""));
  claims.pod = {text_at(object, "/kubernetes.io/namespace"),
                text_at(object, "/kubernetes.io/pod/name"),
                text_at(object, "/kubernetes.io/pod/uid"),
                text_at(object, "/kubernetes.io/serviceaccount/name")};
  const auto seconds_at = [&](const char* claim) -> std::optional<std::int64_t> {
    const json& found = at(object, claim);
    if (!found.is_number_integer()) return {};
    return found.get<std::int64_t>();
  };
  claims.validity = {seconds_at("/iat"), seconds_at("/exp")};
  return claims;
}

Result<OwnPod> decode_pod(std::string_view text) {
  const json object = parse(text);
  OwnPod pod;
  pod.uid = text_at(object, "/metadata/uid");
  pod.address = text_at(object, "/status/podIP");
  pod.node = text_at(object, "/spec/nodeName");
  if (text_at(object, "/kind") != "Pod" || pod.uid.empty()) {
    return Error{"the answer is no Pod: " + printable(trim(text), 120)};
  }
  if (!at(object, "/metadata/deletionTimestamp").is_null()) {
    const std::string deletion = text_at(object, "/metadata/deletionTimestamp");
    pod.deletion_s = parse_rfc3339(deletion);
    if (!pod.deletion_s) {
      return Error{"Pod metadata.deletionTimestamp is no RFC 3339 time: " +
                   printable(deletion, 60)};
    }
  }
  const json& grace = at(object, "/metadata/deletionGracePeriodSeconds");
  if (grace.is_null()) return pod;
  const std::string written = grace.is_number_integer() ? grace.dump() : grace.type_name();
  const auto grace_s = parse_integer(written, 0, std::numeric_limits<std::int32_t>::max());
  if (!grace_s) {
    return Error{"Pod metadata.deletionGracePeriodSeconds is no number from 0 to 2147483647: " +
                 written};
  }
  pod.deletion_grace_s = *grace_s;
  return pod;
}

std::string encode_event(const ObjectEvent& event, const std::string& name,
                         const std::string& now_micro) {
  const std::string now_s = now_micro.substr(0, 19) + "Z";  // firstTimestamp has no fraction
  return dump({{"apiVersion", "v1"},
               {"kind", "Event"},
               {"metadata", {{"name", name}, {"namespace", event.namespace_name}}},
               {"involvedObject",
                {{"apiVersion", event.kind == "Lease" ? "coordination.k8s.io/v1" : "v1"},
                 {"kind", event.kind},
                 {"namespace", event.namespace_name},
                 {"name", event.name},
                 {"uid", event.uid}}},
               {"reason", "LeaderElection"},
               {"message", event.message},
               {"type", event.type},
               {"source", {{"component", "baton"}}},
               {"reportingComponent", "baton"},
               {"reportingInstance", event.identity},
               {"firstTimestamp", now_s},
               {"lastTimestamp", now_s},
               {"count", 1}});
}

std::string encode_review(const ReviewQuestion& question) {
  return dump({{"apiVersion", "authorization.k8s.io/v1"},
               {"kind", "SelfSubjectAccessReview"},
               {"spec",
                {{"resourceAttributes",
                  {{"verb", question.verb},
                   {"group", question.group},
                   {"resource", question.resource},
                   {"namespace", question.namespace_name},
                   {"name", question.name}}}}}});
}

Result<bool> decode_review(std::string_view text) {
  const json object = parse(text);
  const json& allowed = at(object, "/status/allowed");
  if (!allowed.is_boolean()) {
    return Error{"the answer is no SelfSubjectAccessReview: " + printable(trim(text), 120)};
  }
  return allowed.get<bool>();
}

}  // namespace baton::kube
