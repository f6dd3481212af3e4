#include <nlohmann/json.hpp>

#include "kube/lease_codec.h"
#include "kube/object_codec.h"
#include "kube/route.h"
#include "kube/route_requests.h"

namespace baton::kube {
namespace {

using election::Failure;
using election::FailureKind;
using nlohmann::json;

constexpr char kLabel[] = "baton/leader";

class LabelRoute : public Route {
 public:
  LabelRoute(std::shared_ptr<SideClient> side, PodIdentity own_pod, std::string election,
             election::Duration timeout)
      : requests_(std::move(side), own_pod.namespace_name, "'list' and 'patch' on pods", timeout),
        own_pod_(std::move(own_pod)),
        election_(std::move(election)) {}

  const char* name() const override { return "label"; }
  bool moves_in_one_write() const override { return false; }

  // A PATCH carries the version read: where a later leader has labelled itself in between, it is
  // refused, and where it had done so before, `leads` says no.
  std::optional<Failure> show(election::Token, const std::function<bool()>& leads) override {
    requests_.begin_attempt();
    SideAnswer answer;
    for (int i = 0; i < RouteRequests::kTries; ++i) {
      answer =
          requests_.send("GET", "/api/v1", "/pods?labelSelector=baton%2Fleader%3D" + election_);
      if (answer.status != 200) return requests_.failed("list pods", answer);
      const auto list = parse_object(answer.body);
      if (!list) return Failure{FailureKind::garbled, {}, "list pods: " + list.error()};
      bool is_own_labelled = false;
      answer = {200, "", "", {}};
      for (const json& pod : list->value("items", json::array())) {
        const std::string pod_name = text_at(pod, "/metadata/name");
        if (pod_name == own_pod_.pod_name) {
          is_own_labelled = true;
          continue;
        }
        if (!leads()) return {};
        answer = patch(pod_name, {{"uid", text_at(pod, "/metadata/uid")},
                                  {"resourceVersion", text_at(pod, "/metadata/resourceVersion")},
                                  {"labels", {{kLabel, nullptr}}}});
        if (answer.status == 409) break;
        if (answer.status != 200 && answer.status != 404) return failed(pod_name, answer);
      }
      if (answer.status == 409) continue;
      if (is_own_labelled || !leads()) return {};
      answer = patch(own_pod_.pod_name, own_metadata({{kLabel, election_}}));
      if (answer.status == 200) return {};
      return failed(own_pod_.pod_name, answer);
    }
    return failed("of another leader", answer);
  }

  std::optional<Failure> withdraw() override {
    requests_.begin_attempt();
    const SideAnswer answer = patch(own_pod_.pod_name, own_metadata({{kLabel, nullptr}}));
    if (answer.status == 200 || answer.status == 404) return {};
    return failed(own_pod_.pod_name, answer);
  }

 private:
  json own_metadata(const json& labels) const {
    json metadata = {{"labels", labels}};
    if (!own_pod_.pod_uid.empty()) metadata["uid"] = own_pod_.pod_uid;
    return metadata;
  }

  SideAnswer patch(const std::string& pod, const json& metadata) {
    return requests_.send("PATCH", "/api/v1", "/pods/" + pod, json{{"metadata", metadata}}.dump());
  }

  Failure failed(const std::string& pod, const SideAnswer& answer) const {
    return requests_.failed("patch pod " + own_pod_.namespace_name + "/" + pod, answer);
  }

  RouteRequests requests_;
  const PodIdentity own_pod_;
  const std::string election_;
};

}  // namespace

std::unique_ptr<Route> label_route(std::shared_ptr<SideClient> side, PodIdentity own_pod,
                                   const std::string& election, election::Duration timeout) {
  return std::make_unique<LabelRoute>(std::move(side), std::move(own_pod), election, timeout);
}

}  // namespace baton::kube
