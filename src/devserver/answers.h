// The API server's answers: objects, and the Status bodies of its refusals.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "devserver/users.h"
#include "http/message.h"

namespace baton::devserver {

http::Response json_answer(int status, const nlohmann::json& body);

/// A Status of kind Failure. `access`: what was tried, for its details; null: without.
http::Response failure(int code, const std::string& reason, const std::string& message,
                       const Access* access = nullptr);
nlohmann::json failure_body(int code, const std::string& reason, const std::string& message,
                            const Access* access = nullptr);

http::Response bad_request(const std::string& message);
http::Response forbidden(const User& user, const Access& access);
http::Response not_found(const Access& access);

/// JSON on one line; invalid UTF-8 is replaced.
std::string dump(const nlohmann::json& value);

/// The text at a JSON pointer, "" if there is none.
std::string text_in(const std::string& body, const char* pointer);

}  // namespace baton::devserver
