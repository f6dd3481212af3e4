// Incremental parsing of one HTTP/1.x message.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "http/message.h"

namespace baton::http {

/// What is refused has the status that says so to a client.
enum class Parsed { more, done, malformed = 400, body_too_large = 413, head_too_large = 431 };

struct ParserLimits {
  std::size_t header_bytes;
  std::size_t body_bytes;
};

template <bool is_request>
class Parser {
 public:
  /// `head_only`: the answer to HEAD.
  explicit Parser(ParserLimits limits, bool head_only = false);
  ~Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  /// Takes the beginning of `data`; the rest is to be offered again with more behind it.
  Parsed feed(std::string& data);
  /// The peer sends no more: ends a body without a length.
  Parsed feed_end();
  bool is_header_done() const;
  bool keep_alive() const;

  // Filled as it comes; a reader of a stream takes the body out piece by piece.
  std::string method;
  std::string target;
  int version = 11;
  int status = 0;
  Headers headers;
  std::string body;
  bool expects_continue = false;

 private:
  class Beast;
  const std::unique_ptr<Beast> beast_;
};

extern template class Parser<true>;
extern template class Parser<false>;

}  // namespace baton::http
