#include "devserver/objects.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "devserver/answers.h"
#include "devserver/fields.h"
#include "devserver/lease_schema.h"

namespace baton::devserver {
namespace {

using nlohmann::json;

Key key_of(const ApiRequest& request) {
  return {request.access.resource, request.access.name_space, request.access.name};
}

// RFC 3339 with whole seconds, `ahead_s` from now.
std::string timestamp(std::int64_t ahead_s = 0) {
  const std::time_t at = wall_now_s() + ahead_s;
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

bool has_finalizers(const json& object) {
  return object["metadata"].contains("finalizers") && !object["metadata"]["finalizers"].empty();
}

// The part of a PUT that the store's compare-and-swap looks at, for the order of the checks: the
// API server compares before it validates.
bool would_be_applied(const Object& stored, const json& object) {
  const std::string uid = metadata(object, "uid");
  if (!stored) return uid.empty();
  return (uid.empty() || uid == metadata(*stored, "uid")) &&
         metadata(object, "resourceVersion") == metadata(*stored, "resourceVersion");
}

http::Response conflict(const Access& access, const std::string& why) {
  return failure(409, "Conflict",
                 "Operation cannot be fulfilled on " + access.object() + ": " + why, &access);
}

// "" or the message of a 400; a Warning is not sent for what was dropped.
std::string decode(const ApiRequest& request, json& object) {
  if (request.kind != "Lease") {
    if (!object.is_object() || !object.value("metadata", json::object()).is_object()) {
      return "the object provided is unrecognized (must be of type " + request.kind + ")";
    }
    object["kind"] = request.kind;
    object["apiVersion"] = request.version;
    return "";
  }
  const Decoded decoded = decode_lease(object);
  if (decoded.error.empty() && request.strict && !decoded.unknown.empty()) {
    return "Lease in version \"v1\" cannot be handled as a Lease: strict decoding error: unknown "
           "field \"" +
           decoded.unknown.front() + "\"";
  }
  return decoded.error;
}

std::string check_values(const ApiRequest& request, const json& object) {
  if (request.kind == "Lease") return validate_lease(object);
  const char* field = request.access.group.empty() ? "involvedObject" : "regarding";
  if (request.kind == "Event" && object.contains(field) &&
      object[field].value("namespace", "") != request.access.name_space) {
    return std::string("Event is invalid: ") + field +
           ".namespace: Invalid value: does not match event.namespace";
  }
  return "";
}

http::Response invalid(const ApiRequest& request, const std::string& message) {
  return failure(422, "Invalid", message, &request.access);
}

http::Response outcome(Store& store, const ApiRequest& request, const Stored& stored,
                       const std::string& uid) {
  const Access& access = request.access;
  switch (stored.outcome) {
    case Outcome::ok: return json_answer(200, *stored.object);
    case Outcome::created: return json_answer(201, *stored.object);
    case Outcome::not_found: return not_found(access);
    case Outcome::exists:
      return failure(409, "AlreadyExists", access.object() + " already exists", &access);
    case Outcome::invalid:
      return invalid(request, access.object() +
                                  " is invalid: metadata.resourceVersion: Invalid value: 0: "
                                  "must be specified for an update");
    case Outcome::conflict: break;
  }
  const Object there = store.get(key_of(request));
  const std::string there_uid = there ? metadata(*there, "uid") : "";
  return conflict(access, uid.empty() || uid == there_uid
                              ? "the object has been modified; please apply your changes to the "
                                "latest version and try again"
                              : "StorageError: invalid object, Code: 4, AdditionalErrorMsg: "
                                "Precondition failed: UID in precondition: " +
                                    uid + ", UID in object meta: " + there_uid);
}

http::Response list(Store& store, const ApiRequest& request) {
  const auto from = request.from.empty() ? 0 : parse_integer(request.from, 0, INT64_MAX);
  if (!from) return bad_request("resourceVersion: Invalid value: \"" + request.from + "\"");
  const Listing listing =
      store.list({request.access.resource, request.access.name_space, request.selected});
  if (*from > listing.revision) {
    http::Response late = failure(504, "Timeout",
                                  "Timeout: Too large resource version: " + request.from +
                                      ", current: " + std::to_string(listing.revision));
    late.headers.emplace_back("Retry-After", "1");
    return late;
  }
  json items = json::array();
  const auto& [key, value] = request.label;
  for (const Object& object : listing.objects) {
    const json labels = (*object)["metadata"].value("labels", json::object());
    if (!key.empty() && labels.value(key, json()) != json(value)) continue;
    json item = *object;
    item.erase("kind");
    item.erase("apiVersion");
    items.push_back(std::move(item));
  }
  return json_answer(200, {{"kind", request.kind + "List"},
                           {"apiVersion", request.version},
                           {"metadata", {{"resourceVersion", std::to_string(listing.revision)}}},
                           {"items", std::move(items)}});
}

http::Response create(Store& store, const ApiRequest& request, json object) {
  json& meta = object["metadata"];
  Key key = key_of(request);
  key.name = metadata(object, "name");
  if (key.name.empty() && !metadata(object, "generateName").empty()) {
    key.name = metadata(object, "generateName") + std::to_string(store.revision());
  }
  ApiRequest named = request;
  named.access.name = key.name;
  if (key.name.empty()) {
    return invalid(request, request.kind + " is invalid: metadata.name: Required value");
  }
  if (!metadata(object, "resourceVersion").empty()) {
    return failure(500, "", "resourceVersion should not be set on objects to be created");
  }
  if (request.kind == "Lease") drop_gated(object, nullptr);
  if (const auto error = check_values(named, object); !error.empty()) return invalid(named, error);
  meta["creationTimestamp"] = timestamp();
  return outcome(store, named, store.create(key, std::move(object)), "");
}

http::Response update(Store& store, const ApiRequest& request, const User& user, json object) {
  const Key key = key_of(request);
  json& meta = object["metadata"];
  const std::string name = metadata(object, "name");
  if (name != key.name) {
    return bad_request("the name of the object (" + name +
                       ") does not match the name on the URL (" + key.name + ")");
  }
  const std::string version = metadata(object, "resourceVersion");
  if (!version.empty() && !parse_integer(version, 0, INT64_MAX)) {
    return failure(500, "", "strconv.ParseUint: parsing \"" + version + "\": invalid syntax");
  }
  const Object stored = store.get(key);
  if (request.kind == "Lease") drop_gated(object, stored.get());
  if (would_be_applied(stored, object)) {
    if (!stored) {
      Access creation = request.access;
      creation.verb = "create";
      if (!user.may(creation)) return forbidden(user, creation);
      meta["creationTimestamp"] = timestamp();
    }
    if (const auto error = check_values(request, object); !error.empty()) {
      return invalid(request, error);
    }
    if (stored && !metadata(*stored, "deletionTimestamp").empty() && !has_finalizers(object)) {
      store.remove(key);
      return json_answer(200, object);
    }
  }
  const std::string uid = metadata(object, "uid");
  return outcome(store, request, store.put(key, std::move(object)), uid);
}

// A JSON merge patch, on whatever version there is unless the patch names one.
http::Response patch(Store& store, const ApiRequest& request, const User& user, const json& body) {
  const Object stored = store.get(key_of(request));
  if (!stored) return not_found(request.access);
  json patched = *stored;
  patched.merge_patch(body);
  if (const auto error = decode(request, patched); !error.empty()) return invalid(request, error);
  return update(store, request, user, std::move(patched));
}

http::Response remove(Store& store, const ApiRequest& request, const json& options) {
  const Key key = key_of(request);
  const Object stored = store.get(key);
  if (!stored) return not_found(request.access);
  const json given = options.is_object() ? options : json::object();
  const json preconditions = given.value("preconditions", json::object());
  const std::int64_t grace =
      whole_number(given, "gracePeriodSeconds", 0, 86400, request.kind == "Pod" ? 30 : 0);
  const std::string uid = preconditions.value("uid", "");
  const std::string version = preconditions.value("resourceVersion", "");
  const bool met = (uid.empty() || uid == metadata(*stored, "uid")) &&
                   (version.empty() || version == metadata(*stored, "resourceVersion"));
  if (met && ((request.kind == "Pod" && grace > 0) || has_finalizers(*stored))) {
    json marked = *stored;
    if (metadata(marked, "deletionTimestamp").empty()) {
      marked["metadata"]["deletionTimestamp"] = timestamp(grace);
      marked["metadata"]["deletionGracePeriodSeconds"] = grace;
      return json_answer(200, *store.overwrite(key, std::move(marked)).object);
    }
    return json_answer(200, marked);
  }
  const Stored removed = store.remove(key, uid, version);
  if (removed.outcome == Outcome::conflict) {
    return conflict(request.access, "the precondition does not match the record");
  }
  return json_answer(200, {{"kind", "Status"},
                           {"apiVersion", "v1"},
                           {"metadata", json::object()},
                           {"status", "Success"},
                           {"details",
                            {{"name", key.name},
                             {"group", request.access.group},
                             {"kind", key.resource},
                             {"uid", metadata(*stored, "uid")}}}});
}

}  // namespace

http::Response answer_request(Store& store, const ApiRequest& request, const User& user,
                              const std::string& content_type, const std::string& body) {
  const std::string& verb = request.access.verb;
  if (verb == "list") return list(store, request);
  if (verb == "get") {
    const Object object = store.get(key_of(request));
    return object ? json_answer(200, *object) : not_found(request.access);
  }
  json object = json::parse(body, nullptr, false);
  if (verb == "delete") return remove(store, request, object);
  if (object.is_discarded()) {
    return bad_request("the object provided is unrecognized (must be of type " + request.kind +
                       "): json parse error");
  }
  if (verb == "patch" && content_type != "application/merge-patch+json") {
    return failure(415, "UnsupportedMediaType",
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/merge-patch+json",
                   &request.access);
  }
  if (verb == "patch") return patch(store, request, user, object);
  if (const auto error = decode(request, object); !error.empty()) return bad_request(error);
  return verb == "create" ? create(store, request, std::move(object))
                          : update(store, request, user, std::move(object));
}

http::Response review_access(const User& user, const std::string& body) {
  json review = json::parse(body, nullptr, false);
  if (!review.is_object()) {
    return bad_request(
        "the object provided is unrecognized (must be of type "
        "SelfSubjectAccessReview)");
  }
  const json spec = review.value("spec", json::object());
  const json wish = spec.is_object() ? spec.value("resourceAttributes", json()) : json();
  if (!wish.is_object()) {
    return failure(422, "Invalid",
                   "spec.resourceAttributes: Invalid value: null: exactly one of "
                   "nonResourceAttributes or resourceAttributes must be specified");
  }
  const auto text = [&](const char* field) { return wish.value(field, std::string()); };
  const bool allowed =
      user.may({text("verb"), text("group"), text("resource"), text("namespace"), text("name")});
  review["kind"] = "SelfSubjectAccessReview";
  review["apiVersion"] = "authorization.k8s.io/v1";
  review["status"] = {{"allowed", allowed}};
  return json_answer(201, review);
}

}  // namespace baton::devserver
