#include "http/answer.h"

#include <algorithm>
#include <utility>

namespace baton::http {

void Answer::expect(bool head_only) {
  head_only_ = head_only;
  parser_ = MessageParser::of_response({limits_.header_bytes, limits_.body_bytes}, head_only);
  parsed_ = Parsed::more;
  unparsed_.clear();
  searched_ = 0;
}

Failure Answer::feed(std::string_view data) {
  unparsed_ += data;
  Failure failure = parse();
  while (!failure && is_done() && status() < 200 && status() != 101) {  // "100 Continue" and such
    std::string rest = std::move(unparsed_);
    expect(head_only_);
    unparsed_ = std::move(rest);
    failure = parse();
  }
  return failure;
}

Failure Answer::feed_end() {
  parsed_ = parser_->feed_end();
  if (is_done()) return {};
  return {IoKind::unknown,
          "read from " + peer_ + ": closed by the peer before the end of its answer"};
}

Failure Answer::parse() {
  std::size_t used = 0;
  parsed_ = parser_->feed(unparsed_, used);
  unparsed_.erase(0, used);
  const auto too_large = [this](const std::string& part, std::size_t limit) {
    return Failure{IoKind::refused, "answer of " + peer_ + ": the " + part +
                                        " is larger than the limit of " + std::to_string(limit) +
                                        " bytes"};
  };
  switch (parsed_) {
    case Parsed::more:
    case Parsed::done:
      return {};
    case Parsed::head_too_large:
      return too_large("header", limits_.header_bytes);
    case Parsed::body_too_large:
      return too_large("body", limits_.body_bytes);
    case Parsed::malformed:
      break;
  }
  return {IoKind::refused, "answer of " + peer_ + ": not well-formed HTTP/1.1"};
}

Response Answer::take_head() { return {parser_->status, std::move(parser_->headers), ""}; }

std::optional<std::string> Answer::take_line(Failure& failure) {
  std::string& body = parser_->body;
  const auto newline = body.find('\n', searched_);
  searched_ = std::min(newline, body.size());
  if (searched_ > limits_.line_bytes) {
    failure = {IoKind::refused, "answer of " + peer_ + ": a line is longer than the limit of " +
                                    std::to_string(limits_.line_bytes) + " bytes"};
    return {};
  }
  if (newline == std::string::npos) return {};
  std::string line = body.substr(0, newline);
  body.erase(0, newline + 1);
  searched_ = 0;
  return line;
}

}  // namespace baton::http
