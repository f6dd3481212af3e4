#include "simulation/lease_json.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace baton::simulation {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

election::Lease view(const json& object) {
  election::Lease lease;
  lease.uid = devserver::metadata(object, "uid");
  lease.version = parse_integer(devserver::metadata(object, "resourceVersion"), 1,
                                std::numeric_limits<std::int64_t>::max());
  lease.being_deleted = !devserver::metadata(object, "deletionTimestamp").empty();
  const json spec = object.value("spec", json::object());
  lease.holder = text(spec, "holderIdentity");
  if (spec.contains("leaseDurationSeconds")) {
    lease.duration_s = spec["leaseDurationSeconds"].get<std::int64_t>();
  }
  lease.transitions = spec.value("leaseTransitions", std::int64_t{0});
  lease.acquire_time = text(spec, "acquireTime");
  lease.strategy = text(spec, "strategy");
  lease.preferred_holder = text(spec, "preferredHolder");
  lease.spec = spec.dump();
  const json annotations = object["metadata"].value("annotations", json::object());
  for (const auto& [key, value] : annotations.items()) {
    if (key.starts_with(election::annotation::kPrefix)) {
      lease.annotations.emplace(key, value.get<std::string>());
    }
  }
  return lease;
}

}  // namespace

LeaseView LeaseJson::decode(const devserver::Object& object) {
  if (object == nullptr) {
    return nullptr;
  }
  LeaseView& lease = decoded_[object.get()];
  if (lease == nullptr) {
    objects_.push_back(object);
    election::Lease seen = view(*object);
    seen.raw = std::to_string(objects_.size() - 1);
    lease = std::make_shared<const election::Lease>(std::move(seen));
  }
  return lease;
}

json LeaseJson::encode(const election::LeaseWrite& write, const std::string& stamp) {
  const bool create = write.kind == election::WriteKind::create;
  json body = create ? json::object() : json(*objects_.at(std::stoul(write.base.raw)));
  json& annotations = body["metadata"]["annotations"];
  if (!annotations.is_object()) {
    annotations = json::object();
  }
  for (const auto& [key, value] : write.base.annotations) {
    annotations.erase(key);
  }
  for (const auto& [key, value] : write.annotations) {
    annotations[key] = value;
  }
  json& spec = body["spec"];
  spec["holderIdentity"] = write.holder;
  spec["leaseDurationSeconds"] = write.duration_s;
  spec["leaseTransitions"] = write.transitions;
  spec["renewTime"] = stamp;
  if (write.kind == election::WriteKind::acquire) {
    spec["acquireTime"] = stamp;
  }
  return body;
}

}  // namespace baton::simulation
