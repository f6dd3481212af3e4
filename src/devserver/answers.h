// The API server's answers: objects, and the Status bodies of its refusals.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "devserver/users.h"
#include "http/message.h"

namespace baton::devserver {

/// What a Status names in its details.
struct Subject {
  std::string group, resource, name;

  /// `leases.coordination.k8s.io "e0"`
  std::string text() const;
};

http::Response json_answer(int status, const nlohmann::json& body);

/// A Status of kind Failure. `subject` null: without details.
http::Response failure(int code, const std::string& reason, const std::string& message,
                       const Subject* subject = nullptr);
nlohmann::json failure_body(int code, const std::string& reason, const std::string& message,
                            const Subject* subject = nullptr);

http::Response bad_request(const std::string& message);
http::Response unauthorized();
http::Response forbidden(const User& user, const Access& access);
http::Response not_found(const Subject& subject);
http::Response unknown_path();

/// JSON on one line; invalid UTF-8 is replaced.
std::string dump(const nlohmann::json& value);

}  // namespace baton::devserver
