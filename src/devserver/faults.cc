#include "devserver/faults.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace baton::devserver {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<FaultKind, const char*>, 12> kKinds = {{
    {FaultKind::delay_request, "delay_request"},
    {FaultKind::delay_answer, "delay_answer"},
    {FaultKind::drop_request, "drop_request"},
    {FaultKind::drop_answer, "drop_answer"},
    {FaultKind::cut, "cut"},
    {FaultKind::cut_after_commit, "cut_after_commit"},
    {FaultKind::duplicate, "duplicate"},
    {FaultKind::answer, "answer"},
    {FaultKind::truncate, "truncate"},
    {FaultKind::alter, "alter"},
    {FaultKind::stall, "stall"},
    {FaultKind::partition, "partition"},
}};

Duration milliseconds(const json& value) {
  return std::chrono::milliseconds(value.get<std::int64_t>());
}

// Throws json::exception on a wrong type; returns false on an unknown key or action.
bool set(Fault& fault, const std::string& key, const json& value, Instant now) {
  if (key == "action") {
    const auto* const found = std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& kind) {
      return value.get<std::string>() == kind.second;
    });
    if (found == kKinds.end()) {
      return false;
    }
    fault.kind = found->first;
  } else if (key == "user") {
    fault.user = value;
  } else if (key == "resource") {
    fault.resource = value;
  } else if (key == "name") {
    fault.name = value;
  } else if (key == "verbs") {
    fault.verbs = value.get<std::vector<std::string>>();
  } else if (key == "skip") {
    fault.skip = value;
  } else if (key == "count") {
    fault.count = value;
  } else if (key == "for_ms") {
    fault.until = now + milliseconds(value);
  } else if (key == "delay_ms") {
    fault.delay = milliseconds(value);
  } else if (key == "code") {
    fault.code = value;
  } else if (key == "retry_after") {
    fault.retry_after = value;
  } else if (key == "content_type") {
    fault.content_type = value;
  } else if (key == "body") {
    fault.body = value.is_string() ? value.get<std::string>() : value.dump();
  } else if (key == "patch") {
    fault.patch = value.dump();
  } else {
    return false;
  }
  return true;
}

bool meets(const Fault& fault, const Met& met, Instant now) {
  const auto same = [](const std::string& wanted, const std::string& text) {
    return wanted.empty() || wanted == text;
  };
  return now < fault.until && same(fault.user, met.user) && same(fault.resource, met.resource) &&
         same(fault.name, met.name) &&
         (fault.verbs.empty() ||
          std::find(fault.verbs.begin(), fault.verbs.end(), met.verb) != fault.verbs.end());
}

}  // namespace

const char* to_string(FaultKind kind) {
  return std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& k) { return k.first == kind; })
      ->second;
}

Result<int> Faults::add(const json& wish, Instant now) {
  if (!wish.is_object() || !wish.contains("action")) {
    return Error{"a fault is a JSON object with \"action\"; see docs/devserver.md"};
  }
  Fault fault;
  for (const auto& [key, value] : wish.items()) {
    try {
      if (!set(fault, key, value, now)) {
        return Error{"unknown: \"" + key + "\": " + value.dump() + "; see docs/devserver.md"};
      }
    } catch (const json::exception& error) {
      return Error{"wrong type: \"" + key + "\": " + value.dump() + ": " + error.what()};
    }
  }
  fault.id = ++last_id_;
  faults_.push_back(std::move(fault));
  return last_id_;
}

bool Faults::remove(int id) {
  return std::erase_if(faults_, [&](const Fault& fault) { return fault.id == id; }) > 0;
}

json Faults::list() const {
  json list = json::array();
  for (const Fault& fault : faults_) {
    list.push_back({{"id", fault.id},
                    {"action", to_string(fault.kind)},
                    {"user", fault.user},
                    {"resource", fault.resource},
                    {"name", fault.name},
                    {"verbs", fault.verbs},
                    {"count", fault.count}});
  }
  return list;
}

Fault Faults::for_request(const Met& met, Instant now) {
  std::erase_if(faults_, [&](const Fault& fault) { return fault.until <= now; });
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->kind == FaultKind::stall || !meets(*fault, met, now)) {
      continue;
    }
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    Fault found = *fault;
    if (fault->count > 0 && --fault->count == 0) {
      faults_.erase(fault);
    }
    return found;
  }
  return {};
}

Fault Faults::for_event(const Met& met, Instant now) const {
  for (const Fault& fault : faults_) {
    const bool of_streams = fault.kind == FaultKind::stall || fault.kind == FaultKind::partition ||
                            fault.kind == FaultKind::alter || fault.kind == FaultKind::duplicate;
    if (of_streams && meets(fault, met, now)) {
      return fault;
    }
  }
  return {};
}

}  // namespace baton::devserver
