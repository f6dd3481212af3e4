#include <nlohmann/json.hpp>

#include "base/text.h"
#include "kube/lease_codec.h"
#include "kube/object_codec.h"
#include "kube/route.h"
#include "kube/route_requests.h"

namespace baton::kube {
namespace {

using election::Failure;
using election::FailureKind;
using nlohmann::json;

constexpr char kApi[] = "/apis/discovery.k8s.io/v1";
constexpr char kManager[] = "baton";
constexpr char kManagedBy[] = "endpointslice.kubernetes.io/managed-by";
constexpr char kServiceName[] = "kubernetes.io/service-name";
constexpr char kToken[] = "baton/fencing-token";

/// The object of this name, an empty one where it is none.
json& object_in(json& parent, const char* name) {
  json& found = parent[name];
  if (!found.is_object()) found = json::object();
  return found;
}

election::Token token_of(const json& slice) {
  const std::string text = text_at(slice, "/metadata/annotations/baton~1fencing-token");
  return parse_integer(text, 1, election::kMaxToken).value_or(0);
}

class SliceRoute : public Route {
 public:
  SliceRoute(std::shared_ptr<SideClient> side, PodIdentity own_pod, const std::string& service,
             std::vector<config::ServicePort> ports, election::Duration timeout)
      : requests_(std::move(side), own_pod.namespace_name,
                  "'get', 'create' and 'update' on endpointslices.discovery.k8s.io and 'get' on "
                  "pods",
                  timeout),
        own_pod_(std::move(own_pod)),
        service_(service),
        ports_(std::move(ports)) {}

  const char* name() const override { return "endpointslice"; }
  bool moves_in_one_write() const override { return true; }

  std::optional<Failure> show(election::Token token, const std::function<bool()>& leads) override {
    requests_.begin_attempt();
    if (address_.empty()) {
      if (auto failure = find_address()) return failure;
    }
    return change([&](const json& stored) -> Result<json> {
      if (!stored.is_null()) {
        if (const std::string why = why_not_ours(stored, token); !why.empty()) return Error{why};
      }
      return leads() ? shown(stored, token) : stored;
    });
  }

  std::optional<Failure> withdraw() override {
    requests_.begin_attempt();
    return change([&](const json& stored) -> Result<json> {
      const bool is_own = !own_pod_.pod_uid.empty() &&
                          text_at(stored, "/endpoints/0/targetRef/uid") == own_pod_.pod_uid;
      json emptied = stored;
      if (is_own) emptied["endpoints"] = json::array();
      return emptied;
    });
  }

 private:
  /// Reads the slice (null: there is none) and writes what `next` makes of it, unless that is the
  /// same, over the version read; again after a conflict.
  std::optional<Failure> change(const std::function<Result<json>(const json& stored)>& next) {
    const std::string path = "/endpointslices/" + service_;
    const std::string named = " endpointslice " + own_pod_.namespace_name + "/" + service_;
    SideAnswer answer;
    for (int i = 0; i < RouteRequests::kTries; ++i) {
      answer = requests_.send("GET", kApi, path);
      json stored;
      if (answer.status == 200) {
        auto parsed = parse_object(answer.body);
        if (!parsed)
          return Failure{FailureKind::garbled, {}, "get" + named + ": " + parsed.error()};
        stored = std::move(parsed).value();
      } else if (answer.status != 404) {
        return requests_.failed("get" + named, answer);
      }
      const Result<json> wanted = next(stored);
      if (!wanted) {
        return Failure{FailureKind::refused, {}, named.substr(1) + " " + wanted.error()};
      }
      if (*wanted == stored) return {};
      answer = stored.is_null() ? requests_.send("POST", kApi, "/endpointslices", wanted->dump())
                                : requests_.send("PUT", kApi, path, wanted->dump());
      if (answer.status == 200 || answer.status == 201) return {};
      const bool is_race = answer.status == 409 || (answer.status == 404 && !stored.is_null());
      if (!is_race)
        return requests_.failed((stored.is_null() ? "create" : "update") + named, answer);
    }
    return requests_.failed("update" + named, answer);
  }

  std::optional<Failure> find_address() {
    const std::string named = "pod " + own_pod_.namespace_name + "/" + own_pod_.pod_name;
    const SideAnswer answer = requests_.send("GET", "/api/v1", "/pods/" + own_pod_.pod_name);
    if (answer.status != 200) return requests_.failed("get " + named, answer);
    const auto pod = decode_pod(answer.body);
    if (!pod) return Failure{FailureKind::garbled, {}, "get " + named + ": " + pod.error()};
    if (own_pod_.pod_uid.empty()) own_pod_.pod_uid = pod->uid;
    if (pod->uid != own_pod_.pod_uid) {
      return Failure{FailureKind::refused, {}, named + " is another one of this name"};
    }
    if (pod->address.empty()) {
      return Failure{FailureKind::not_found, {}, named + " has no status.podIP yet"};
    }
    address_ = pod->address;
    node_ = pod->node;
    return {};
  }

  /// "" or why this slice may not be replaced, and the mend.
  std::string why_not_ours(const json& slice, election::Token token) const {
    const std::string manager =
        text_at(slice, "/metadata/labels/endpointslice.kubernetes.io~1managed-by");
    if (manager != kManager) {
      return "is managed by " + (manager.empty() ? "nobody" : printable(manager, 80)) +
             ": delete it, or name another Service";
    }
    if (token_of(slice) > token) {
      return "carries the token " + std::to_string(token_of(slice)) +
             " of a later term; if no leader has it, delete the EndpointSlice";
    }
    if (text_at(slice, "/addressType") != address_type()) {
      return "holds addresses of another family than " + address_ + ": delete it";
    }
    return "";
  }

  std::string address_type() const {
    return address_.find(':') == std::string::npos ? "IPv4" : "IPv6";
  }

  json shown(json slice, election::Token token) const {
    slice["apiVersion"] = "discovery.k8s.io/v1";
    slice["kind"] = "EndpointSlice";
    slice["addressType"] = address_type();
    json& metadata = object_in(slice, "metadata");
    metadata["name"] = service_;
    metadata["namespace"] = own_pod_.namespace_name;
    object_in(metadata, "labels")[kServiceName] = service_;
    object_in(metadata, "labels")[kManagedBy] = kManager;
    object_in(metadata, "annotations")[kToken] = std::to_string(token);
    json endpoint = {{"addresses", {address_}},
                     {"conditions", {{"ready", true}}},
                     {"targetRef",
                      {{"kind", "Pod"},
                       {"namespace", own_pod_.namespace_name},
                       {"name", own_pod_.pod_name},
                       {"uid", own_pod_.pod_uid}}}};
    if (!node_.empty()) endpoint["nodeName"] = node_;
    slice["endpoints"] = json::array({std::move(endpoint)});
    json& ports = slice["ports"] = json::array();
    for (const config::ServicePort& port : ports_) {
      ports.push_back({{"name", port.name}, {"port", port.number}, {"protocol", "TCP"}});
    }
    return slice;
  }

  RouteRequests requests_;
  PodIdentity own_pod_;
  const std::string service_;
  const std::vector<config::ServicePort> ports_;
  std::string address_, node_;  // "" until they are known
};

}  // namespace

std::unique_ptr<Route> slice_route(std::shared_ptr<SideClient> side, PodIdentity own_pod,
                                   const std::string& service,
                                   std::vector<config::ServicePort> ports,
                                   election::Duration timeout) {
  return std::make_unique<SliceRoute>(std::move(side), std::move(own_pod), service,
                                      std::move(ports), timeout);
}

}  // namespace baton::kube
