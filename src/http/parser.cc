#include "http/parser.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/beast/http/basic_parser.hpp>

namespace baton::http {

/// Beast's parser, which fills ours.
template <bool is_request>
class Parser<is_request>::Beast final : private boost::beast::http::basic_parser<is_request> {
  using Base = boost::beast::http::basic_parser<is_request>;
  using View = boost::beast::string_view;
  using Length = boost::optional<std::uint64_t>;
  using ErrorCode = boost::beast::error_code;
  using Wrong = boost::beast::http::error;

 public:
  Beast(Parser& message, ParserLimits limits, bool head_only) : message_(message), limits_(limits) {
    Base::header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    // A request that announces too much is refused by its head. An answer may be streamed: what
    // counts is what has not been taken from `body`. (boost::none would not lift Beast's limit.)
    Base::body_limit(is_request ? limits.body_bytes : std::numeric_limits<std::uint64_t>::max());
    Base::skip(head_only);
  }

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
    const auto newline = is_header_done() ? data.npos : data.find('\n');
    const bool is_bare = newline == 0 || (newline != data.npos && data[newline - 1] != '\r');
    return is_bare ? Parsed::malformed : Parsed::more;
  }
  Parsed feed_end() {
    if (!Base::got_some()) return Parsed::malformed;
    ErrorCode error;
    Base::put_eof(error);
    const Parsed parsed = judge(error);
    return parsed == Parsed::more ? Parsed::malformed : parsed;
  }
  using Base::is_header_done;
  using Base::keep_alive;

 private:
  Parsed judge(const ErrorCode& error) const {
    if (error == make_error_code(Wrong::header_limit)) return Parsed::head_too_large;
    if (error == make_error_code(Wrong::body_limit)) return Parsed::body_too_large;
    if (error) return Parsed::malformed;
    return Base::is_done() ? Parsed::done : Parsed::more;
  }

  void on_request_impl(boost::beast::http::verb, View method, View target, int version,
                       ErrorCode&) override {
    message_.method.assign(method.data(), method.size());
    message_.target.assign(target.data(), target.size());
    message_.version = version;
    message_.headers.reserve(8);  // most requests have fewer
  }
  void on_response_impl(int code, View, int version, ErrorCode& error) override {
    if (code < 100) error = make_error_code(Wrong::bad_status);  // Beast wants three digits only
    message_.status = code;
    message_.version = version;
  }
  void on_field_impl(boost::beast::http::field field, View name, View value, ErrorCode&) override {
    message_.headers.emplace_back(std::piecewise_construct,
                                  std::forward_as_tuple(name.data(), name.size()),
                                  std::forward_as_tuple(value.data(), value.size()));
    if (field == boost::beast::http::field::expect) {
      message_.expects_continue = boost::beast::iequals(value, "100-continue");
    }
  }
  std::size_t on_body_impl(View text, ErrorCode& error) override {
    std::string& body = message_.body;
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

  Parser& message_;
  const ParserLimits limits_;
  std::size_t head_bytes_ = 0;  // taken so far
};

template <bool is_request>
Parser<is_request>::Parser(ParserLimits limits, bool head_only)
    : beast_(std::make_unique<Beast>(*this, limits, head_only)) {}
template <bool is_request>
Parser<is_request>::~Parser() = default;
template <bool is_request>
Parsed Parser<is_request>::feed(std::string& data) {
  return beast_->feed(data);
}
template <bool is_request>
Parsed Parser<is_request>::feed_end() {
  return beast_->feed_end();
}
template <bool is_request>
bool Parser<is_request>::is_header_done() const {
  return beast_->is_header_done();
}
template <bool is_request>
bool Parser<is_request>::keep_alive() const {
  return beast_->keep_alive();
}

template class Parser<true>;
template class Parser<false>;

}  // namespace baton::http
