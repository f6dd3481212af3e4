// Incremental parsing of one HTTP/1.x message, by Beast's parser.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace baton::http {

enum class Parsed { more, done, head_too_large, body_too_large, malformed };

class MessageParser {
 public:
  struct Limits {
    std::size_t header_bytes;
    std::size_t body_bytes;
  };
  static std::unique_ptr<MessageParser> of_request(Limits limits);
  /// `head_only`: the answer to HEAD.
  static std::unique_ptr<MessageParser> of_response(Limits limits, bool head_only);
  virtual ~MessageParser() = default;

  /// Takes `used` bytes of `data`; the rest is to be offered again with more behind it.
  virtual Parsed feed(std::string_view data, std::size_t& used) = 0;
  /// The peer sends no more: ends a body without a length.
  virtual Parsed feed_end() = 0;

  virtual bool is_head_done() const = 0;
  virtual bool keeps_alive() const = 0;
  virtual bool is_http_1_0() const = 0;

  // Filled as it comes; a reader of a stream takes the body out piece by piece.
  std::string method;
  std::string target;
  int status = 0;
  Headers headers;
  std::string body;
  bool expects_continue = false;
};

}  // namespace baton::http
