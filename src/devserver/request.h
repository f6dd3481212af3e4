// One request to the API, taken apart: the path, the query, and the verb that is authorised.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "devserver/users.h"
#include "http/message.h"

namespace baton::devserver {

struct ApiRequest {
  Access access;         // who may do this
  std::string kind;      // "Lease", "Pod", "Event"
  std::string version;   // "coordination.k8s.io/v1", "v1"
  std::string selected;  // LIST and WATCH: the name in the fieldSelector, "" for all
  std::pair<std::string, std::string> label;  // LIST: of a labelSelector KEY=VALUE, else ""
  std::string from;                           // resourceVersion of the query, "" if unset
  int timeout_s = 1800;
  bool bookmarks = false;
  bool strict = false;    // fieldValidation=Strict
  std::string bad_query;  // the message of a 400, "" if the query is fine
};

/// Empty: no resource that this server has.
std::optional<ApiRequest> parse_request(const std::string& method, const http::Target& target);

}  // namespace baton::devserver
