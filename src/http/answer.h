// The client's view of one answer as its bytes come in: limits, interim answers, lines of a stream.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

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
  void expect(bool head_only);
  Failure feed(std::string_view data);
  /// The peer has closed.
  Failure feed_end();

  bool is_head_done() const { return parser_->is_head_done(); }
  bool is_done() const { return parsed_ == Parsed::done; }
  int status() const { return parser_->status; }
  /// Another request may follow on the connection.
  bool keeps_alive() const { return parser_->keeps_alive() && unparsed_.empty(); }
  Response take_head();
  std::string take_body() { return std::move(parser_->body); }
  /// The next whole line of what has come of the body.
  std::optional<std::string> take_line(Failure& failure);

 private:
  Failure parse();

  const std::string peer_;
  const ClientLimits limits_;
  bool head_only_ = false;
  std::unique_ptr<MessageParser> parser_;
  Parsed parsed_ = Parsed::more;
  std::string unparsed_;
  std::size_t searched_ = 0;  // bytes of the body known to hold no newline
};

}  // namespace baton::http
