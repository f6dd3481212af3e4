#include "http/wire.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "base/clock.h"

namespace baton::http {
namespace {

bool is_control(char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; }

void append_number(std::size_t number, int base, std::string& out) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), number, base).ptr;
  out.append(digits.begin(), end);
}

void append_header(std::string_view name, std::string_view value, std::string& out) {
  const auto start = static_cast<std::ptrdiff_t>(out.size());
  out.append(name).append(": ").append(value);
  std::replace_if(out.begin() + start, out.end(), is_control, ' ');
  out += "\r\n";
}

/// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", formatted once a second per thread.
std::string_view date_line() {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  thread_local std::int64_t cached_s = -1;
  thread_local std::array<char, 64> line{};
  thread_local std::size_t length = 0;
  const std::int64_t now_s = wall_now_s();
  if (now_s != cached_s) {
    const time_t seconds = now_s;
    tm utc{};
    gmtime_r(&seconds, &utc);
    // Not by strftime's %a and %b: those follow the locale.
    length = strftime(line.data(), line.size(), "Date: ___, %d ___ %Y %H:%M:%S GMT\r\n", &utc);
    std::copy_n(kDays[static_cast<std::size_t>(utc.tm_wday)], 3, line.begin() + 6);
    std::copy_n(kMonths[static_cast<std::size_t>(utc.tm_mon)], 3, line.begin() + 14);
    cached_s = now_s;
  }
  return {line.data(), length};
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

void append_reply(const Response& response, ReplyForm form, std::string& out) {
  out += "HTTP/1.1 ";
  append_number(static_cast<std::size_t>(response.status), 10, out);
  out.append(" ").append(reason_phrase(response.status)).append("\r\n").append(date_line());
  for (const auto& [name, value] : response.headers) append_header(name, value, out);
  if (!form.keep_alive) out += "Connection: close\r\n";
  if (form.keep_alive && form.say_keep_alive) out += "Connection: keep-alive\r\n";
  if (form.framing == BodyFraming::chunked) out += "Transfer-Encoding: chunked\r\n";
  const bool sized = form.framing == BodyFraming::length && has_body(response.status);
  if (sized) {
    out += "Content-Length: ";
    append_number(response.body.size(), 10, out);
    out += "\r\n";
  }
  out += "\r\n";
  if (sized && !form.head_only) out += response.body;
}

void append_chunk(std::string_view data, std::string& out) {
  if (data.empty()) return;  // an empty chunk would end the body
  append_number(data.size(), 16, out);
  out.append("\r\n").append(data).append("\r\n");
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
    out += "Content-Length: ";
    append_number(request.body.size(), 10, out);
    out += "\r\n";
  }
  out.append("\r\n").append(request.body);
  return out;
}

}  // namespace baton::http
