// The client's view of one answer as its bytes come in: limits, interim answers, lines of a stream.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http/client.h"
#include "http/parser.h"

namespace baton::http {

/// Why a step failed; kind `ok`: it did not.
struct Failure {
  IoKind kind = IoKind::ok;
  std::string what;
  explicit operator bool() const { return kind != IoKind::ok; }
};

class Answer {
 public:
  Answer(std::string peer, ClientLimits limits) : peer_(std::move(peer)), limits_(limits) {}

  /// Forgets the last one; `head_only`: the request is a HEAD. What came too early is refused.
  void expect(bool head_only) {
    head_only_ = head_only;
    begin();
    unparsed_.clear();
  }
  Failure feed(std::string_view data) {
    unparsed_ += data;
    for (;;) {
      parsed_ = parser_->feed(unparsed_);
      if (parsed_ == Parsed::head_too_large) return too_large("the header", limits_.header_bytes);
      if (parsed_ == Parsed::body_too_large) return too_large("the body", limits_.body_bytes);
      if (parsed_ == Parsed::malformed) return refused("not well-formed HTTP/1.1");
      const bool is_interim = is_done() && status() < 200 && status() != 101;
      if (!is_interim) return {};
      begin();  // after "100 Continue" and such comes the answer
    }
  }
  /// The peer has closed.
  Failure feed_end() {
    parsed_ = parser_->feed_end();
    if (is_done()) return {};
    return {IoKind::unknown,
            "read from " + peer_ + ": closed by the peer before the end of its answer"};
  }

  bool is_head_done() const { return parser_->is_header_done(); }
  bool is_done() const { return parsed_ == Parsed::done; }
  int status() const { return parser_->status; }
  /// Another request may follow on the connection.
  bool keeps_alive() const { return parser_->keep_alive() && unparsed_.empty(); }
  Response take_head() { return {parser_->status, std::move(parser_->headers), ""}; }
  std::string take_body() { return std::move(parser_->body); }
  /// The next whole line of what has come of the body.
  std::optional<std::string> take_line(Failure& failure) {
    std::string& body = parser_->body;
    const auto newline = body.find('\n', searched_);
    searched_ = std::min(newline, body.size());
    if (searched_ > limits_.line_bytes) {
      failure = refused("a line is longer than the limit of " + std::to_string(limits_.line_bytes) +
                        " bytes");
      return {};
    }
    if (newline == std::string::npos) return {};
    std::string line = body.substr(0, newline);
    body.erase(0, newline + 1);
    searched_ = 0;
    return line;
  }

 private:
  void begin() {
    parser_.emplace(ParserLimits{limits_.header_bytes, limits_.body_bytes}, head_only_);
    parsed_ = Parsed::more;
    searched_ = 0;
  }
  Failure refused(const std::string& why) const {
    return {IoKind::refused, "answer of " + peer_ + ": " + why};
  }
  Failure too_large(const std::string& part, std::size_t limit) const {
    return refused(part + " is larger than the limit of " + std::to_string(limit) + " bytes");
  }

  const std::string peer_;
  const ClientLimits limits_;
  bool head_only_ = false;
  std::optional<Parser<false>> parser_;
  Parsed parsed_ = Parsed::more;
  std::string unparsed_;
  std::size_t searched_ = 0;  // bytes of the body known to hold no newline
};

}  // namespace baton::http
