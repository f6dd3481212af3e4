// Incremental parsing of one HTTP/1.x message, by Beast's parser.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/beast/http/basic_parser.hpp>

#include "http/message.h"

namespace baton::http {

/// What is refused has the status that says so to a client.
enum class Parsed { more, done, malformed = 400, body_too_large = 413, head_too_large = 431 };

struct ParserLimits {
  std::size_t header_bytes;
  std::size_t body_bytes;
};

template <bool is_request>
class Parser final : private boost::beast::http::basic_parser<is_request> {
  using Base = boost::beast::http::basic_parser<is_request>;
  using View = boost::beast::string_view;
  using Length = boost::optional<std::uint64_t>;
  using ErrorCode = boost::beast::error_code;
  using Wrong = boost::beast::http::error;

 public:
  /// `head_only`: the answer to HEAD.
  explicit Parser(ParserLimits limits, bool head_only = false) : limits_(limits) {
    Base::header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    // A request that announces too much is refused by its head. An answer may be streamed: what
    // counts is what has not been taken from `body`. (boost::none would not lift Beast's limit.)
    Base::body_limit(is_request ? limits.body_bytes : std::numeric_limits<std::uint64_t>::max());
    Base::skip(head_only);
  }

  /// Takes the beginning of `data`; the rest is to be offered again with more behind it.
  Parsed feed(std::string& data) {
    const bool is_in_head = !is_header_done();
    Base::eager(!is_in_head);
    ErrorCode error;
    const std::size_t taken = Base::put(boost::asio::const_buffer(data.data(), data.size()), error);
    data.erase(0, taken);
    if (is_in_head) {
      // Beast's own limit leaves out a start line that came whole.
      head_bytes_ += taken;
      const std::size_t known = head_bytes_ + (is_header_done() ? 0 : data.size());
      if (known > limits_.header_bytes) return Parsed::head_too_large;
      if (is_header_done() && !error && !Base::is_done() && !data.empty()) return feed(data);
    }
    if (error != make_error_code(Wrong::need_more)) return judge(error);
    // Beast waits for CRLF alone; a bare LF will never become a head.
    const auto newline = Base::is_header_done() ? data.npos : data.find('\n');
    const bool is_bare = newline == 0 || (newline != data.npos && data[newline - 1] != '\r');
    return is_bare ? Parsed::malformed : Parsed::more;
  }
  /// The peer sends no more: ends a body without a length.
  Parsed feed_end() {
    if (!Base::got_some()) return Parsed::malformed;
    ErrorCode error;
    Base::put_eof(error);
    const Parsed parsed = judge(error);
    return parsed == Parsed::more ? Parsed::malformed : parsed;
  }
  using Base::is_header_done;
  using Base::keep_alive;

  // Filled as it comes; a reader of a stream takes the body out piece by piece.
  std::string method;
  std::string target;
  int version = 11;
  int status = 0;
  Headers headers;
  std::string body;
  bool expects_continue = false;

 private:
  Parsed judge(const ErrorCode& error) const {
    if (error == make_error_code(Wrong::header_limit)) return Parsed::head_too_large;
    if (error == make_error_code(Wrong::body_limit)) return Parsed::body_too_large;
    if (error) return Parsed::malformed;
    return Base::is_done() ? Parsed::done : Parsed::more;
  }

  void on_request_impl(boost::beast::http::verb, View method_text, View target_text,
                       int its_version, ErrorCode&) override {
    method.assign(method_text.data(), method_text.size());
    target.assign(target_text.data(), target_text.size());
    version = its_version;
  }
  void on_response_impl(int code, View, int its_version, ErrorCode& error) override {
    if (code < 100) error = make_error_code(Wrong::bad_status);  // Beast wants three digits only
    status = code;
    version = its_version;
  }
  void on_field_impl(boost::beast::http::field field, View name, View value, ErrorCode&) override {
    headers.emplace_back(std::piecewise_construct, std::forward_as_tuple(name.data(), name.size()),
                         std::forward_as_tuple(value.data(), value.size()));
    if (field == boost::beast::http::field::expect) {
      expects_continue = boost::beast::iequals(value, "100-continue");
    }
  }
  std::size_t on_body_impl(View text, ErrorCode& error) override {
    if (text.size() > limits_.body_bytes - std::min(limits_.body_bytes, body.size())) {
      error = make_error_code(Wrong::body_limit);
    }
    body.append(text.data(), text.size());
    return text.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View text, ErrorCode& error) override {
    return on_body_impl(text, error);
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const Length&, ErrorCode&) override {}
  void on_chunk_header_impl(std::uint64_t, View, ErrorCode&) override {}
  void on_finish_impl(ErrorCode&) override {}

  const ParserLimits limits_;
  std::size_t head_bytes_ = 0;  // taken so far
};

}  // namespace baton::http
