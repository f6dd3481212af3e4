#include "mixed/lease_history.h"

#include <nlohmann/json.hpp>

#include "support/api.h"
#include "support/process.h"

namespace baton::test {

using nlohmann::json;

namespace {

// The server ends each watch after it; the next one begins where it ended.
constexpr const char* kWatchSeconds = "5";

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

json member(const json& object, const char* key) {
  return object.is_object() ? object.value(key, json::object()) : json::object();
}

}  // namespace

LeaseHistory::LeaseHistory(const std::string& election)
    : election_(election), thread_([this] { run(); }) {}

LeaseHistory::~LeaseHistory() { stop(); }

void LeaseHistory::stop() {
  stopped_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void LeaseHistory::run() {
  Api admin("admin");
  const std::string list = kLeases + "?fieldSelector=metadata.name%3D" + election_;
  std::string from;
  while (!stopped_) {
    if (from.empty()) {
      const json answer = admin.get(list).json();
      from = text(member(answer, "metadata"), "resourceVersion");
      for (const json& item : member(answer, "items")) {
        take({{"type", "ADDED"}, {"object", item}});
      }
    }
    const auto lines = admin.watch(
        list + "&watch=true&timeoutSeconds=" + kWatchSeconds + "&resourceVersion=" + from,
        [&](const json& line) {
          take(line);
          return stopped_.load();
        });
    if (!lines.empty()) {
      from = lines.back().value("type", "") == "ERROR"
                 ? ""
                 : std::to_string(version_of(lines.back()["object"]));
    }
  }
}

void LeaseHistory::take(const json& event) {
  const std::int64_t now_ns = boottime_ns();
  const std::string type = text(event, "type");
  if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
    return;
  }
  const json lease = member(event, "object");
  const json spec = member(lease, "spec");
  const json annotations = member(member(lease, "metadata"), "annotations");
  LeaseVersion version{.seen_ns = now_ns,
                       .version = version_of(lease),
                       .deleted = type == "DELETED",
                       .holder = text(spec, "holderIdentity"),
                       .duration_s = spec.value("leaseDurationSeconds", 0)};
  if (!version.holder.empty() && version.holder == text(annotations, "baton/holder")) {
    version.token = std::strtoll(text(annotations, "baton/fencing-token").c_str(), nullptr, 10);
    version.term_id = text(annotations, "baton/term");
  }
  const std::lock_guard lock(mutex_);
  versions_.push_back(std::move(version));
}

std::vector<LeaseVersion> LeaseHistory::versions() const {
  const std::lock_guard lock(mutex_);
  return versions_;
}

std::string LeaseHistory::holder() const {
  const std::lock_guard lock(mutex_);
  return versions_.empty() || versions_.back().deleted ? "" : versions_.back().holder;
}

std::vector<std::string> token_violations(const std::vector<LeaseVersion>& versions) {
  std::vector<std::string> violations;
  const LeaseVersion* last = nullptr;  // of a term of baton
  for (const LeaseVersion& version : versions) {
    if (version.term_id.empty() || version.deleted ||
        (last != nullptr && version.term_id == last->term_id)) {
      continue;
    }
    if (last != nullptr && version.token <= last->token) {
      violations.push_back("version " + std::to_string(version.version) + " begins a term of " +
                           version.holder + " with token " + std::to_string(version.token) +
                           " after " + std::to_string(last->token));
    }
    last = &version;
  }
  return violations;
}

}  // namespace baton::test
