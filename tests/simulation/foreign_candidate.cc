#include "simulation/foreign_candidate.h"

#include <nlohmann/json.hpp>

namespace baton::simulation {

using nlohmann::json;

ForeignCandidate::ForeignCandidate(World& world, ApiServer& server, std::string identity,
                                   Timings timings)
    : world_(world), server_(server), identity_(std::move(identity)), timings_(timings) {}

void ForeignCandidate::start() {
  world_.after(world_.random().between(0s, timings_.retry_period), [this] { poll(); });
}

void ForeignCandidate::poll() {
  if (!here_) {
    return;
  }
  if (leads_ && world_.now() > renewed_ + timings_.renew_deadline) {
    leads_ = false;
    world_.say(identity_, " lost");
  }
  const double jitter = leads_ ? 1.0 : 1.0 + 1.2 * world_.random().unit();
  world_.after(scaled(timings_.retry_period, jitter), [this] { poll(); });
  if (!server_.down()) {
    look();
  }
}

void ForeignCandidate::look() {
  const devserver::Object found = server_.get();
  json body = found == nullptr ? json::object() : *found;
  json& spec = body["spec"];
  if (!spec.is_object()) {
    spec = json::object();
  }
  if (spec.dump() != observed_) {
    observed_ = spec.dump();
    observed_at_ = world_.now();
  }
  const std::string holder = spec.value("holderIdentity", "");
  if (!holder.empty() && holder != identity_) {
    leads_ = false;
    if (observed_at_ + timings_.lease_duration > world_.now()) {
      return;
    }
  }
  if (holder != identity_) {
    spec["leaseTransitions"] = spec.value("leaseTransitions", std::int64_t{0}) + 1;
  }
  spec["holderIdentity"] = identity_;
  spec["leaseDurationSeconds"] =
      std::chrono::duration_cast<std::chrono::seconds>(timings_.lease_duration).count();
  world_.after(10ms, [this, body = std::move(body)] { write(body); });
}

void ForeignCandidate::write(json body) {
  if (!here_ || server_.down()) {
    return;
  }
  const devserver::Stored stored = server_.put(std::move(body), identity_);
  if (stored.object != nullptr) {
    leads_ = true;
    renewed_ = world_.now();
    observed_ = (*stored.object)["spec"].dump();
    observed_at_ = world_.now();
  }
}

bool ForeignCandidate::release() {
  const devserver::Object found = server_.get();
  if (!here_ || server_.down() || found == nullptr) {
    return false;
  }
  leads_ = false;
  json body = *found;
  body["spec"]["holderIdentity"] = "";
  body["spec"]["leaseDurationSeconds"] = 1;
  return server_.put(std::move(body), identity_ + " releases").object != nullptr;
}

}  // namespace baton::simulation
