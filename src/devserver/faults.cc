#include "devserver/faults.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "devserver/answers.h"
#include "devserver/fields.h"

namespace baton::devserver {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<FaultKind, const char*>, 15> kKinds = {{
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
    {FaultKind::hold_answer, "hold_answer"},
    {FaultKind::close_after, "close_after"},
    {FaultKind::slow, "slow"},
}};

bool is_of_proxy(FaultKind kind) {
  return kind == FaultKind::hold_answer || kind == FaultKind::close_after ||
         kind == FaultKind::slow;
}

// At most a day: a longer time would not end with any test.
Duration milliseconds(const json& value) {
  return std::chrono::milliseconds(whole_number(value, 0, 86'400'000));
}

int times(const json& value) { return static_cast<int>(whole_number(value, 0, 1'000'000)); }

void set_kind(Fault& fault, const json& value) {
  const auto name = value.get<std::string>();
  const auto* const found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& k) { return name == k.second; });
  if (found == kKinds.end()) throw std::invalid_argument("no such action");
  fault.kind = found->first;
}

// What each field of a wish sets. Each throws on a wrong type.
using Setter = void (*)(Fault& fault, const json& value, Instant now);
const std::map<std::string, Setter> kSetters = {
    {"action", [](Fault& f, const json& value, Instant) { set_kind(f, value); }},
    {"user", [](Fault& f, const json& value, Instant) { value.get_to(f.user); }},
    {"resource", [](Fault& f, const json& value, Instant) { value.get_to(f.resource); }},
    {"name", [](Fault& f, const json& value, Instant) { value.get_to(f.name); }},
    {"verbs", [](Fault& f, const json& value, Instant) { value.get_to(f.verbs); }},
    {"skip", [](Fault& f, const json& value, Instant) { f.skip = times(value); }},
    {"count", [](Fault& f, const json& value, Instant) { f.count = times(value); }},
    {"for_ms",
     [](Fault& f, const json& value, Instant now) { f.until = now + milliseconds(value); }},
    {"delay_ms", [](Fault& f, const json& value, Instant) { f.delay = milliseconds(value); }},
    {"bytes_per_s", [](Fault& f, const json& value,
                       Instant) { f.bytes_per_s = whole_number(value, 1, 1'000'000'000); }},
    {"code", [](Fault& f, const json& value,
                Instant) { f.code = static_cast<int>(whole_number(value, 100, 999)); }},
    {"retry_after", [](Fault& f, const json& value, Instant) { value.get_to(f.retry_after); }},
    {"content_type", [](Fault& f, const json& value, Instant) { value.get_to(f.content_type); }},
    {"body", [](Fault& f, const json& value,
                Instant) { f.body = value.is_string() ? value.get<std::string>() : value.dump(); }},
    {"patch", [](Fault& f, const json& value, Instant) { f.patch = value.dump(); }},
};

bool meets(const Fault& fault, const Met& met, Instant now) {
  const auto same = [](const std::string& wanted, const std::string& text) {
    return wanted.empty() || wanted == text;
  };
  return now < fault.until && !fault.is_spent && same(fault.user, met.user) &&
         same(fault.resource, met.resource) && same(fault.name, met.name) &&
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
    const std::string field = "\"" + key + "\": " + value.dump() + ": ";
    const auto setter = kSetters.find(key);
    if (setter == kSetters.end()) return Error{field + "no such field; see docs/devserver.md"};
    try {
      setter->second(fault, value, now);
    } catch (const std::exception& error) {
      return Error{field + error.what() + "; see docs/devserver.md"};
    }
  }
  if (!of_proxy_ && is_of_proxy(fault.kind)) {
    return Error{std::string("\"action\": \"") + to_string(fault.kind) +
                 "\": only baton-fault-proxy does that; see docs/devserver.md"};
  }
  fault.id = ++last_id_;
  faults_.push_back(std::move(fault));
  return last_id_;
}

bool Faults::remove(int id) {
  return std::erase_if(faults_, [&](const Fault& fault) { return fault.id == id; }) > 0;
}

bool Faults::has(int id) const {
  return std::any_of(faults_.begin(), faults_.end(),
                     [&](const Fault& fault) { return fault.id == id; });
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
    if (fault->kind == FaultKind::stall || !meets(*fault, met, now)) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    Fault found = *fault;
    if (fault->count > 0 && --fault->count == 0) {
      fault->is_spent = true;
      if (fault->kind != FaultKind::hold_answer) faults_.erase(fault);
    }
    return found;
  }
  return {};
}

Fault Faults::for_event(const Met& met, Instant now) const {
  for (const Fault& fault : faults_) {
    if (acts_on_events(fault) && meets(fault, met, now)) return fault;
  }
  return {};
}

bool Faults::acts_on_events(const Fault& fault) const {
  switch (fault.kind) {
    case FaultKind::stall:
    case FaultKind::partition:
    case FaultKind::alter:
    case FaultKind::duplicate: return true;
    case FaultKind::delay_answer:
    case FaultKind::slow: return of_proxy_;
    default: return false;
  }
}

http::Response answer_of(const Fault& fault) {
  http::Response response{fault.code, {}, fault.body};
  response.headers.emplace_back(
      "Content-Type", fault.content_type.empty() ? "application/json" : fault.content_type);
  if (!fault.retry_after.empty()) response.headers.emplace_back("Retry-After", fault.retry_after);
  return response;
}

void alter(http::Response& response, const std::string& patch) {
  json body = json::parse(response.body, nullptr, false);
  if (response.status >= 300 || !body.is_object()) return;
  const json change = json::parse(patch);
  if (body.contains("items")) {
    for (json& item : body["items"]) item.merge_patch(change);
  } else {
    body.merge_patch(change);
  }
  response.body = dump(body);
}

}  // namespace baton::devserver
