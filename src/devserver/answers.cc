#include "devserver/answers.h"

#include <nlohmann/json.hpp>

namespace baton::devserver {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

http::Response json_answer(int status, const json& body) {
  return {status,
          {{"Cache-Control", "no-cache, private"}, {"Content-Type", "application/json"}},
          dump(body) + "\n"};
}

json failure_body(int code, const std::string& reason, const std::string& message,
                  const Access* access) {
  json body = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
               {"status", "Failure"}, {"message", message}, {"code", code}};
  if (!reason.empty()) body["reason"] = reason;
  if (access != nullptr) {
    json& details = body["details"];
    details["kind"] = access->resource;
    if (!access->group.empty()) details["group"] = access->group;
    if (!access->name.empty()) details["name"] = access->name;
  }
  return body;
}

http::Response failure(int code, const std::string& reason, const std::string& message,
                       const Access* access) {
  return json_answer(code, failure_body(code, reason, message, access));
}

http::Response bad_request(const std::string& message) {
  return failure(400, "BadRequest", message);
}

http::Response forbidden(const User& user, const Access& access) {
  return failure(403, "Forbidden",
                 access.object() + " is forbidden: User \"" + user.account() + "\" cannot " +
                     access.verb + " resource \"" + access.resource + "\" in API group \"" +
                     access.group + "\" in the namespace \"" + access.name_space + "\"",
                 &access);
}

http::Response not_found(const Access& access) {
  return failure(404, "NotFound", access.object() + " not found", &access);
}

std::string text_in(const std::string& body, const char* pointer) {
  const json object = json::parse(body, nullptr, false);
  const json::json_pointer path(pointer);
  const bool is_text = object.contains(path) && object.at(path).is_string();
  return is_text ? object.at(path).get<std::string>() : "";
}

}  // namespace baton::devserver
