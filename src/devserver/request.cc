#include "devserver/request.h"

#include <algorithm>
#include <array>
#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace baton::devserver {
namespace {

struct Resource {
  const char *prefix, *group, *version, *plural, *kind;
};

constexpr std::array<Resource, 5> kResources = {{
    {"/apis/coordination.k8s.io/v1", "coordination.k8s.io", "coordination.k8s.io/v1", "leases",
     "Lease"},
    {"/api/v1", "", "v1", "pods", "Pod"},
    {"/apis/discovery.k8s.io/v1", "discovery.k8s.io", "discovery.k8s.io/v1", "endpointslices",
     "EndpointSlice"},
    {"/api/v1", "", "v1", "events", "Event"},
    {"/apis/events.k8s.io/v1", "events.k8s.io", "events.k8s.io/v1", "events", "Event"},
}};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
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
    } else if (key == "labelSelector") {
      const std::size_t equals = value.find('=');
      request.label = {value.substr(0, equals),
                       equals == std::string::npos ? "" : value.substr(equals + 1)};
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
  if (method == "GET") return named ? "get" : watch ? "watch" : "list";
  if (method == "POST") return named ? "" : "create";
  if (!named) return "";
  return method == "PUT"      ? "update"
         : method == "PATCH"  ? "patch"
         : method == "DELETE" ? "delete"
                              : "";
}

}  // namespace

std::optional<ApiRequest> parse_request(const std::string& method, const http::Target& target) {
  constexpr std::string_view kNamespaces = "/namespaces/";
  const std::size_t prefix_end = target.path.find(kNamespaces);
  if (prefix_end == std::string::npos) return std::nullopt;
  std::vector<std::string> parts;  // NAMESPACE, RESOURCE and maybe NAME
  boost::split(parts, target.path.substr(prefix_end + kNamespaces.size()), boost::is_any_of("/"));
  if (parts.size() < 2 || parts.size() > 3 || std::count(parts.begin(), parts.end(), "") > 0) {
    return std::nullopt;
  }
  const auto* const resource =
      std::find_if(kResources.begin(), kResources.end(), [&](const Resource& one) {
        return target.path.substr(0, prefix_end) == one.prefix && parts[1] == one.plural;
      });
  if (resource == kResources.end()) return std::nullopt;

  ApiRequest request;
  request.kind = resource->kind;
  request.version = resource->version;
  bool watch = false;
  read_query(target, request, watch);
  const bool named = parts.size() == 3;
  request.access = {verb_of(method, named, watch), resource->group, resource->plural, parts[0],
                    named             ? parts[2]
                    : method == "GET" ? request.selected
                                      : ""};
  return request;
}

}  // namespace baton::devserver
