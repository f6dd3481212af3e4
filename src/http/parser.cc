#include "http/parser.h"

#include <algorithm>
#include <limits>
#include <utility>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/beast/http/basic_parser.hpp>

namespace baton::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;

template <bool is_request>
class Parser final : public MessageParser, private beast::http::basic_parser<is_request> {
  using Base = beast::http::basic_parser<is_request>;
  using View = beast::string_view;
  using Length = boost::optional<std::uint64_t>;

 public:
  Parser(Limits limits, bool head_only) : body_bytes_(limits.body_bytes) {
    Base::header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    // A request that announces too much is refused by its head. An answer may be streamed: what
    // counts is what has not been taken from `body`. (boost::none would not lift Beast's limit.)
    Base::body_limit(is_request ? limits.body_bytes : std::numeric_limits<std::uint64_t>::max());
    Base::eager(true);
    Base::skip(head_only);
  }

  Parsed feed(std::string_view data, std::size_t& used) override {
    error_code error;
    used = Base::put(boost::asio::buffer(data.data(), data.size()), error);
    if (error != beast::http::make_error_code(beast::http::error::need_more)) return judge(error);
    // Beast waits for CRLF alone; a bare LF will never become a head.
    const std::string_view rest = data.substr(used);
    const auto newline = Base::is_header_done() ? rest.npos : rest.find('\n');
    const bool is_bare = newline == 0 || (newline != rest.npos && rest[newline - 1] != '\r');
    return is_bare ? Parsed::malformed : Parsed::more;
  }
  Parsed feed_end() override {
    if (!Base::got_some()) return Parsed::malformed;
    error_code error;
    Base::put_eof(error);
    const Parsed parsed = judge(error);
    return parsed == Parsed::more ? Parsed::malformed : parsed;
  }
  bool is_head_done() const override { return Base::is_header_done(); }
  bool keeps_alive() const override { return Base::keep_alive(); }
  bool is_http_1_0() const override { return version_ < 11; }

 private:
  Parsed judge(const error_code& error) const {
    if (error == beast::http::make_error_code(beast::http::error::header_limit)) {
      return Parsed::head_too_large;
    }
    if (error == beast::http::make_error_code(beast::http::error::body_limit)) {
      return Parsed::body_too_large;
    }
    if (error) return Parsed::malformed;
    return Base::is_done() ? Parsed::done : Parsed::more;
  }

  void on_request_impl(beast::http::verb, View method_text, View target_text, int version,
                       error_code&) override {
    method.assign(method_text.data(), method_text.size());
    target.assign(target_text.data(), target_text.size());
    version_ = version;
  }
  void on_response_impl(int code, View, int version, error_code&) override {
    status = code;
    version_ = version;
  }
  void on_field_impl(beast::http::field field, View name, View value, error_code&) override {
    headers.emplace_back(std::piecewise_construct, std::forward_as_tuple(name.data(), name.size()),
                         std::forward_as_tuple(value.data(), value.size()));
    if (field == beast::http::field::expect) {
      expects_continue = beast::iequals(value, "100-continue");
    }
  }
  std::size_t on_body_impl(View text, error_code& error) override {
    if (text.size() > body_bytes_ - std::min(body_bytes_, body.size())) {
      error = beast::http::make_error_code(beast::http::error::body_limit);
    }
    body.append(text.data(), text.size());
    return text.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View text, error_code& error) override {
    return on_body_impl(text, error);
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const Length&, error_code&) override {}
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  const std::size_t body_bytes_;
  int version_ = 11;
};

}  // namespace

std::unique_ptr<MessageParser> MessageParser::of_request(Limits limits) {
  return std::make_unique<Parser<true>>(limits, false);
}

std::unique_ptr<MessageParser> MessageParser::of_response(Limits limits, bool head_only) {
  return std::make_unique<Parser<false>>(limits, head_only);
}

}  // namespace baton::http
