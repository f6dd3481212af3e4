#include <nlohmann/json.hpp>

#include "api/router.h"
#include "base/text.h"

namespace baton::api {
namespace {

using Json = nlohmann::ordered_json;

Json schema_of(const Field& field) {
  switch (field.kind) {
    case Kind::flag:
      return {{"type", "boolean"}};
    case Kind::duration:
      return {{"type", "string"},
              {"example", "3s"},
              {"description", "0s to " + format_duration(field.at_most)}};
    case Kind::token:
      return {{"type", "string"}, {"pattern", "^[1-9][0-9]{0,17}$"}};
    case Kind::text:
      break;
  }
  return {{"type", "string"}};
}

Json parameters_of(const Route& route) {
  Json all = Json::array();
  for (const Field& field : route.query) {
    all.push_back({{"name", field.name},
                   {"in", "query"},
                   {"description", field.about},
                   {"schema", schema_of(field)}});
  }
  if (route.method == "POST") {
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

Json operation_of(const Route& route) {
  Json answers = Json::object();
  for (const auto& [status, when] : route.answers) {
    answers[std::to_string(status)] = {{"description", when}};
  }
  answers["default"] = {
      {"description", "refused; {\"error\": \"one line\"} says why and the mend"}};
  Json operation{{"summary", route.summary}, {"parameters", parameters_of(route)}};
  if (!route.body.empty()) operation["requestBody"] = body_of(route);
  operation["responses"] = answers;
  return operation;
}

}  // namespace

std::string openapi(const std::vector<Route>& routes) {
  Json paths = Json::object();
  for (const Route& route : routes) {
    const char* method = route.method == "POST" ? "post" : "get";
    paths[std::string(route.path)][method] = operation_of(route);
  }
  const Json document{{"openapi", "3.0.3"},
                      {"info", {{"title", "baton, the local API"}, {"version", BATON_VERSION}}},
                      {"paths", paths}};
  return document.dump(2) + "\n";
}

}  // namespace baton::api
