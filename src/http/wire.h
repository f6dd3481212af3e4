// Requests and answers as bytes. Header values cannot smuggle a line break in.
#pragma once

#include <string>

#include "base/result.h"
#include "http/message.h"

namespace baton::http {

enum class BodyFraming { length, chunked, until_close };

struct ReplyForm {
  BodyFraming framing = BodyFraming::length;
  bool head_only = false;       // the answer to HEAD
  bool keep_alive = true;       // else "Connection: close"
  bool say_keep_alive = false;  // an HTTP/1.0 peer wants to be told
};

/// Appends the head, and with BodyFraming::length the body, to `out`.
void append_reply(const Response& response, ReplyForm form, std::string& out);

void append_chunk(std::string_view data, std::string& out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

/// The whole request in one string. An error if its target or a header cannot be sent as it is.
Result<std::string> format_request(const Request& request, std::string_view authority);

}  // namespace baton::http
