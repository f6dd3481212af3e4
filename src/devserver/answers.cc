#include "devserver/answers.h"

#include <nlohmann/json.hpp>

namespace baton::devserver {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Subject::text() const {
  std::string text = group.empty() ? resource : resource + "." + group;
  return name.empty() ? text : text + " \"" + name + "\"";
}

http::Response json_answer(int status, const json& body) {
  return {status,
          {{"Cache-Control", "no-cache, private"}, {"Content-Type", "application/json"}},
          dump(body) + "\n"};
}

json failure_body(int code, const std::string& reason, const std::string& message,
                  const Subject* subject) {
  json body = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
               {"status", "Failure"}, {"message", message}, {"code", code}};
  if (!reason.empty()) {
    body["reason"] = reason;
  }
  if (subject != nullptr) {
    json details = {{"kind", subject->resource}};
    if (!subject->group.empty()) {
      details["group"] = subject->group;
    }
    if (!subject->name.empty()) {
      details["name"] = subject->name;
    }
    body["details"] = std::move(details);
  }
  return body;
}

http::Response failure(int code, const std::string& reason, const std::string& message,
                       const Subject* subject) {
  return json_answer(code, failure_body(code, reason, message, subject));
}

http::Response bad_request(const std::string& message) {
  return failure(400, "BadRequest", message);
}

http::Response unauthorized() { return failure(401, "Unauthorized", "Unauthorized"); }

http::Response forbidden(const User& user, const Access& access) {
  const Subject subject{access.group, access.resource, access.name};
  return failure(403, "Forbidden",
                 subject.text() + " is forbidden: User \"" + user.account() + "\" cannot " +
                     access.verb + " resource \"" + access.resource + "\" in API group \"" +
                     access.group + "\" in the namespace \"" + access.name_space + "\"",
                 &subject);
}

http::Response not_found(const Subject& subject) {
  return failure(404, "NotFound", subject.text() + " not found", &subject);
}

http::Response unknown_path() {
  return failure(404, "NotFound", "the server could not find the requested resource");
}

}  // namespace baton::devserver
