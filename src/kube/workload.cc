#include "kube/workload.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "kube/object_codec.h"

namespace baton::kube {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

/// Within 0 … 2^31 - 1, as the server keeps them.
std::int64_t integer_at(const json& object, const char* pointer, std::int64_t otherwise) {
  const Pointer path(pointer);
  if (!object.contains(path) || !object.at(path).is_number_integer()) return otherwise;
  return std::clamp<std::int64_t>(object.at(path).get<std::int64_t>(), 0,
                                  std::numeric_limits<std::int32_t>::max());
}

/// Kubernetes' IntOrString, as it is written.
std::string share_at(const json& object, const char* pointer) {
  const std::string text = text_at(object, pointer);
  const std::int64_t number = integer_at(object, pointer, -1);
  return number == -1 ? text : std::to_string(number);
}

bool is_true(const json& object, const char* pointer) {
  const Pointer path(pointer);
  return object.contains(path) && object.at(path) == true;
}

Owner controller_of(const json& object) {
  const Pointer path("/metadata/ownerReferences");
  if (!object.contains(path)) return {};
  for (const json& each : object.at(path)) {
    if (each.is_object() && each.contains("controller") && each.at("controller") == true) {
      return {text_at(each, "/kind"), text_at(each, "/name")};
    }
  }
  return {};
}

bool asks_who_leads(const json& container) {
  if (text_at(container, "/readinessProbe/httpGet/path").starts_with("/leaderz")) return true;
  const Pointer path("/readinessProbe/exec/command");
  if (!container.contains(path)) return false;
  std::string words;
  for (const json& word : container.at(path)) {
    if (word.is_string()) words += word.get<std::string>() + " ";
  }
  return words.find("probe leader ") != std::string::npos;
}

json parse_kind(std::string_view text, std::initializer_list<std::string_view> kinds) {
  json object = json::parse(text, nullptr, false);
  const std::string kind = text_at(object, "/kind");
  if (std::ranges::find(kinds, kind) == kinds.end()) return {};
  return object;
}

Result<std::string> get(SideClient& side, const std::string& namespace_name, const Owner& object,
                        Duration timeout) {
  const bool is_pod = object.kind == "Pod";
  std::string resource = object.kind + "s";
  std::ranges::transform(resource, resource.begin(),
                         [](unsigned char c) { return std::tolower(c); });
  const SideAnswer answer =
      side.request("GET",
                   (is_pod ? "/api/v1/namespaces/" : "/apis/apps/v1/namespaces/") + namespace_name +
                       "/" + resource + "/" + object.name,
                   "", timeout);
  if (answer.status == 200) return answer.body;
  return Error{explain("get " + resource + " " + object.name, answer)};
}

}  // namespace

Result<PodSpec> decode_pod_spec(std::string_view text) {
  const json object = parse_kind(text, {"Pod"});
  if (object.is_null()) return Error{"the answer is no Pod: " + printable(trim(text), 120)};
  PodSpec spec;
  spec.grace_period_s = integer_at(object, "/spec/terminationGracePeriodSeconds", 30);
  spec.is_on_host_network = is_true(object, "/spec/hostNetwork");
  spec.shares_processes =
      is_true(object, "/spec/shareProcessNamespace") || is_true(object, "/spec/hostPID");
  spec.owner = controller_of(object);
  for (const char* containers : {"/spec/initContainers", "/spec/containers"}) {
    if (!object.contains(Pointer(containers))) continue;
    for (const json& each : object.at(Pointer(containers))) {
      spec.is_ready_only_as_leader |= asks_who_leads(each);
    }
  }
  return spec;
}

Result<Workload> decode_workload(std::string_view text) {
  const json object = parse_kind(text, {"Deployment", "StatefulSet"});
  if (object.is_null()) {
    return Error{"the answer is no Deployment or StatefulSet: " + printable(trim(text), 120)};
  }
  Workload workload;
  workload.self = {text_at(object, "/kind"), printable(text_at(object, "/metadata/name"))};
  workload.replicas = integer_at(object, "/spec/replicas", 1);
  const bool is_deployment = workload.self.kind == "Deployment";
  workload.strategy =
      text_at(object, is_deployment ? "/spec/strategy/type" : "/spec/updateStrategy/type");
  workload.max_unavailable = share_at(object, "/spec/strategy/rollingUpdate/maxUnavailable");
  workload.max_surge = share_at(object, "/spec/strategy/rollingUpdate/maxSurge");
  return workload;
}

Result<PodSpec> read_pod_spec(SideClient& side, const std::string& namespace_name,
                              const std::string& pod, Duration timeout) {
  const auto body = get(side, namespace_name, {"Pod", pod}, timeout);
  return body ? decode_pod_spec(*body) : Error{body.error()};
}

Result<Workload> read_workload(SideClient& side, const std::string& namespace_name, Owner owner,
                               Duration timeout) {
  if (owner.kind == "ReplicaSet") {
    const auto body = get(side, namespace_name, owner, timeout);
    if (!body) return Error{body.error()};
    owner = controller_of(parse_kind(*body, {"ReplicaSet"}));
  }
  if (owner.kind != "Deployment" && owner.kind != "StatefulSet") {
    return Error{
        "it belongs to no Deployment or StatefulSet" +
        (owner.kind.empty() ? "" : " but to the " + printable(owner.kind + " " + owner.name))};
  }
  const auto body = get(side, namespace_name, owner, timeout);
  return body ? decode_workload(*body) : Error{body.error()};
}

}  // namespace baton::kube
