// How commands talk to the sidecar beside them: its local API or its probes. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "http/client.h"

namespace baton::cli {

class LocalClient {
 public:
  /// From the option, else the variable of the same name, else `standard`. A wildcard address is
  /// dialled on loopback; "off" and malformed lists are errors.
  static Result<LocalClient> make(const Arguments& arguments, const Shell& shell,
                                  std::string_view option, std::string_view standard);
  /// Of the local API.
  static Result<LocalClient> local(const Arguments& arguments, const Shell& shell);

  /// One request over a connection that is kept; the addresses are tried in order until one takes
  /// it. Every POST carries Baton-Control.
  http::Reply call(const std::string& method, const std::string& target, const std::string& body,
                   election::Duration timeout);

  /// A connection of its own to the address that last took a request (else the first), for streams.
  std::unique_ptr<http::Connection> separate_connection() const;

  /// The addresses, for error lines.
  const std::string& where() const { return where_; }

 private:
  std::vector<http::Endpoint> endpoints_;  // the one that last answered first
  std::unique_ptr<http::Connection> connection_;
  std::string where_;
};

/// What went wrong with a call, in one line: no connection, or the status and the body's start.
std::string describe(const http::Reply& reply, const LocalClient& client);

http::Request make_request(const std::string& method, const std::string& target,
                           const std::string& body = "");

/// Percent-encodes everything that is no unreserved character.
std::string percent_encoded(std::string_view text);

}  // namespace baton::cli
