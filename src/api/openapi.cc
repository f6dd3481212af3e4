#include <nlohmann/json.hpp>

#include "api/router.h"
#include "base/text.h"
#include "election/lease.h"
#include "election/status.h"

namespace baton::api {
namespace {

using Json = nlohmann::ordered_json;
using election::State;

Json schema_of(const Field& field) {
  switch (field.kind) {
    case Kind::flag: return {{"type", "boolean"}};
    case Kind::duration:
      return {{"type", "string"},
              {"example", "3s"},
              {"pattern", "^([0-9]+(\\.[0-9]+)?(h|m|s|ms|us|ns))+$"},
              {"description", "0s to " + format_duration(field.at_most)}};
    case Kind::token:
      return {{"anyOf",
               {{{"type", "string"}, {"pattern", "^[1-9][0-9]{0,17}$"}},
                {{"type", "integer"}, {"minimum", 1}, {"maximum", election::kMaxToken}}}}};
    case Kind::text: break;
  }
  return {{"type", "string"}};
}

Json parameters_of(const Route& route) {
  Json all = Json::array();
  for (const Field& field : route.query) {
    all.push_back({{"name", field.name},
                   {"in", "query"},
                   {"description", field.about},
                   {"allowEmptyValue", field.kind == Kind::flag},
                   {"schema", schema_of(field)}});
  }
  if (route.methods == "POST") {
    all.push_back({{"name", "Baton-Control"},
                   {"in", "header"},
                   {"required", true},
                   {"schema", {{"type", "string"}, {"enum", {"1"}}}}});
  }
  return all;
}

Json body_of(const Route& route) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Field& field : route.body) {
    properties[std::string(field.name)] = schema_of(field);
    properties[std::string(field.name)]["description"] = field.about;
    if (field.is_required) required.push_back(field.name);
  }
  Json schema{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
  if (!required.empty()) schema["required"] = required;
  return {{"required", !required.empty()},
          {"content", {{"application/json", {{"schema", schema}}}}}};
}

// A name, its JSON type (with '?': or null), and what it says.
struct Property {
  const char* name;
  std::string type;
  const char* about;
};

// An object that always has all of the properties.
Json object_of(std::initializer_list<Property> all) {
  Json object{{"type", "object"}};
  for (const auto& [name, type, about] : all) {
    Json& property = object["properties"][name];
    property = {{"type", type.substr(0, type.find('?'))}, {"description", about}};
    if (type.ends_with('?')) property["nullable"] = true;
    object["required"].push_back(name);
  }
  return object;
}

// What StatusDocument writes; a test compares the two.
Json status_schema() {
  Json status = object_of(
      {{"isLeader", "boolean", "this Pod leads now"},
       {"state", "string", "the election's state"},
       {"reason", "string?", "why, and the mend"},
       {"election", "string?", "the Lease's name"},
       {"namespace", "string?", "the Lease's namespace"},
       {"pod", "string?", "the Pod that answers"},
       {"identity", "string?", "holderIdentity of the candidate that answers"},
       {"fencingToken", "string?", "decimal; null unless leading"},
       {"termId", "string?", "the term led or being drained; a new one means: lost, then gained"},
       {"validForMs", "integer",
        "how long the answer stays true, from when it was written; 0 if not leading"},
       {"deadlineBoottimeNs", "string?",
        "the same as a point on CLOCK_BOOTTIME, for every container of the Pod, decimal"},
       {"leader", "object?", "who holds the Lease; null if unknown"},
       {"traffic", "object?", "whether the leader's Service leads here; null: none is configured"},
       {"revision", "string",
        "opaque; differs after every change of the document but an extended deadline"},
       {"lease", "object", "the durations of this candidate"}});
  Json& properties = status["properties"];
  for (auto state = State::starting; state <= State::stopped;
       state = static_cast<State>(static_cast<int>(state) + 1)) {
    properties["state"]["enum"].push_back(election::to_string(state));
  }
  properties["leader"].update(
      object_of({{"pod", "string", "its Pod"},
                 {"identity", "string", "holderIdentity"},
                 {"address", "string?", "what it advertises"},
                 {"fencingToken", "string?", "decimal; null: another elector, token unknown"},
                 {"since", "string?", "acquireTime as found"},
                 {"transitions", "integer", "leaseTransitions"}}));
  properties["traffic"].update(
      object_of({{"leads", "string", "where it leads, as far as this candidate has written it"},
                 {"reason", "string?", "why that is not as it should be, and the mend"}}));
  properties["traffic"]["properties"]["leads"]["enum"] = {"here", "away", "unknown"};
  properties["lease"].update(object_of({{"durationMs", "integer", "--lease-duration"},
                                        {"renewDeadlineMs", "integer", "--renew-deadline"},
                                        {"renewPeriodMs", "integer", "--renew-period"},
                                        {"requestTimeoutMs", "integer", "--request-timeout"},
                                        {"retryMinMs", "integer", "--retry-min"},
                                        {"retryMaxMs", "integer", "--retry-max"}}));
  return status;
}

Json content_of(const char* schema) {
  const Json reference{{"$ref", std::string("#/components/schemas/") + schema}};
  return {{"application/json", {{"schema", reference}}}};
}

Json operation_of(const Route& route) {
  Json answers = Json::object();
  for (const Answer& answer : route.answers) {
    Json& one = answers[std::to_string(answer.status)];
    one = {{"description", answer.when}};
    if (answer.has_document) one["content"] = content_of("Status");
  }
  answers["default"] = {{"description", "refused; what is no HTTP as text"},
                        {"content", content_of("Error")}};
  answers["default"]["content"]["text/plain"] = {{"schema", {{"type", "string"}}}};
  Json operation{{"summary", route.summary}, {"parameters", parameters_of(route)}};
  if (!route.body.empty()) operation["requestBody"] = body_of(route);
  operation["responses"] = answers;
  return operation;
}

}  // namespace

std::string openapi(const std::vector<Route>& routes) {
  Json paths = Json::object();
  for (const Route& route : routes) {
    const char* method = route.methods == "POST" ? "post" : "get";
    paths[std::string(route.path)][method] = operation_of(route);
  }
  const Json document{{"openapi", "3.0.3"},
                      {"info", {{"title", "baton, the local API"}, {"version", BATON_VERSION}}},
                      {"paths", paths},
                      {"components",
                       {{"schemas",
                         {{"Status", status_schema()},
                          {"Error", object_of({{"error", "string", "why, and the mend"}})}}}}}};
  return document.dump(2) + "\n";
}

}  // namespace baton::api
