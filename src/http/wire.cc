#include "http/wire.h"

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <ctime>

#include "base/clock.h"

namespace baton::http {
namespace {

bool is_control(char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; }

void append_length(std::size_t size, std::string& out) {
  out.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
}

/// `name` is a literal or has been checked.
void append_header(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ");
  const auto start = static_cast<std::ptrdiff_t>(out.size());
  out.append(value);
  std::replace_if(out.begin() + start, out.end(), is_control, ' ');
  out += "\r\n";
}

/// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", formatted once a second per thread.
std::string_view date_line() {
  thread_local std::int64_t cached_s = -1;
  thread_local std::array<char, 64> line{};
  thread_local std::size_t length = 0;
  const std::int64_t now_s = wall_now_s();
  if (now_s != cached_s) {
    const time_t seconds = now_s;
    tm utc{};
    gmtime_r(&seconds, &utc);
    static const locale_t english = newlocale(LC_ALL_MASK, "C", nullptr);
    length =
        strftime_l(line.data(), line.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc, english);
    cached_s = now_s;
  }
  return {line.data(), length};
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

void append_reply(const Response& response, ReplyForm form, std::string& out) {
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(reason_phrase(response.status)).append("\r\n").append(date_line());
  for (const auto& [name, value] : response.headers) append_header(name, value, out);
  if (!form.keep_alive) out += "Connection: close\r\n";
  if (form.keep_alive && form.say_keep_alive) out += "Connection: keep-alive\r\n";
  if (form.framing == BodyFraming::chunked) out += "Transfer-Encoding: chunked\r\n";
  // A HEAD that was passed on tells the length that another server gave.
  const bool is_told = form.head_only && !header(response.headers, "Content-Length").empty();
  const bool sized = form.framing == BodyFraming::length && has_body(response.status) && !is_told;
  if (sized) append_length(response.body.size(), out);
  out += "\r\n";
  if (sized && !form.head_only) out += response.body;
}

void append_chunk(std::string_view data, std::string& out) {
  if (data.empty()) return;  // an empty chunk would end the body
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", data.size());
  out.append(size.data()).append(data).append("\r\n");
}

Result<std::string> format_request(const Request& request, std::string_view authority) {
  const auto is_bad_in_line = [](char byte) { return is_control(byte) || byte == ' '; };
  for (const std::string_view part :
       {std::string_view(request.method), std::string_view(request.target), authority}) {
    if (part.empty() || std::any_of(part.begin(), part.end(), is_bad_in_line)) {
      return Error{"a request's method, target and host must be non-empty without spaces"};
    }
  }
  std::string out;
  out.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  append_header("Host", authority, out);
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || std::any_of(name.begin(), name.end(), is_bad_in_line) ||
        std::any_of(value.begin(), value.end(), is_control)) {
      return Error{"the request header " + name + " holds a line break or control byte"};
    }
    append_header(name, value, out);
  }
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    append_length(request.body.size(), out);
  }
  out.append("\r\n").append(request.body);
  return out;
}

}  // namespace baton::http
