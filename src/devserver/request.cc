#include "devserver/request.h"

#include <array>
#include <string_view>

#include "base/text.h"

namespace baton::devserver {
namespace {

struct Resource {
  const char *prefix, *group, *version, *plural, *kind;
};

constexpr std::array<Resource, 4> kResources = {{
    {"/apis/coordination.k8s.io/v1", "coordination.k8s.io", "coordination.k8s.io/v1", "leases",
     "Lease"},
    {"/api/v1", "", "v1", "pods", "Pod"},
    {"/api/v1", "", "v1", "events", "Event"},
    {"/apis/events.k8s.io/v1", "events.k8s.io", "events.k8s.io/v1", "events", "Event"},
}};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

bool is_true(const std::string& text) { return text == "true" || text == "1"; }

// "metadata.name=e0" and metadata.namespace, joined by commas, as the API server takes for Leases.
void read_field_selector(std::string_view text, ApiRequest& request) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view term = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    if (take_prefix(term, "metadata.name=")) {
      request.selected = term.starts_with('=') ? term.substr(1) : term;
    } else if (!term.starts_with("metadata.namespace=")) {
      request.bad_query = "\"" + std::string(term) +
                          "\" is not a known field selector: only \"metadata.name\", "
                          "\"metadata.namespace\"";
    }
  }
}

void read_query(const http::Target& target, ApiRequest& request, bool& watch) {
  for (const auto& [key, value] : target.query) {
    if (key == "fieldSelector") {
      read_field_selector(value, request);
    } else if (key == "watch") {
      watch = is_true(value);
    } else if (key == "resourceVersion") {
      request.from = value;
    } else if (key == "timeoutSeconds") {
      request.timeout_s = static_cast<int>(parse_integer(value, 1, 86400).value_or(1800));
    } else if (key == "allowWatchBookmarks") {
      request.bookmarks = is_true(value);
    } else if (key == "fieldValidation") {
      request.strict = value == "Strict";
    }
  }
}

std::string verb_of(const std::string& method, bool named, bool watch) {
  if (method == "GET") {
    return named ? "get" : watch ? "watch" : "list";
  }
  if (method == "POST") {
    return named ? "" : "create";
  }
  if (!named) {
    return "";
  }
  return method == "PUT"      ? "update"
         : method == "PATCH"  ? "patch"
         : method == "DELETE" ? "delete"
                              : "";
}

}  // namespace

std::optional<ApiRequest> parse_request(const std::string& method, const http::Target& target) {
  for (const Resource& resource : kResources) {
    std::string_view rest = target.path;
    if (!take_prefix(rest, resource.prefix) || !take_prefix(rest, "/namespaces/")) {
      continue;
    }
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos || slash == 0) {
      continue;
    }
    ApiRequest request;
    request.access.group = resource.group;
    request.access.resource = resource.plural;
    request.access.name_space = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
    if (!take_prefix(rest, resource.plural)) {
      continue;
    }
    const bool named = take_prefix(rest, "/");
    if ((!named && !rest.empty()) || (named && rest.empty()) ||
        rest.find('/') != std::string_view::npos) {
      continue;
    }
    request.kind = resource.kind;
    request.version = resource.version;
    bool watch = false;
    read_query(target, request, watch);
    request.access.verb = verb_of(method, named, watch);
    request.access.name = named ? std::string(rest) : method == "GET" ? request.selected : "";
    return request;
  }
  return std::nullopt;
}

}  // namespace baton::devserver
