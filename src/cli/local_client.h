// How commands talk to the sidecar beside them: its local API or its probes. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/document.h"
#include "config/load.h"
#include "http/client.h"

namespace baton::cli {

class LocalClient {
 public:
  /// Of the listener that the setting `key` (local-address or probe-address) places: by the option
  /// of that name, else by its variable, else by its default. A wildcard address is dialled on
  /// loopback; "off" and malformed lists are errors.
  static Result<LocalClient> make(const std::string& key, const Arguments& arguments,
                                  const config::Environment& environment);
  /// A client of the same addresses for another thread.
  LocalClient twin() const { return LocalClient(endpoints_, where_); }

  /// Any answer, or the error why none came. One request over a connection that is kept; the
  /// addresses are tried in order until one takes it. Every POST carries Baton-Control.
  Result<http::Response> call(const std::string& method, const std::string& target,
                              Duration timeout, const std::string& body = "");
  /// The answer to GET /leader.
  Result<Document> document(Duration timeout, const std::string& query = "");

  /// GET /leader/events over a connection of its own, to the address that last took a request (else
  /// the first).
  Result<std::shared_ptr<http::Connection>> open_events(Duration timeout,
                                                        const std::string& query = "") const;

 private:
  LocalClient(std::vector<http::Endpoint> endpoints, std::string where)
      : endpoints_(std::move(endpoints)), where_(std::move(where)) {}

  std::vector<http::Endpoint> endpoints_;  // the one that last answered first
  std::string where_;                      // the same for people
  std::unique_ptr<http::Connection> connection_;
};

/// Whether a call was answered with a status of 2xx.
bool is_done(const Result<http::Response>& answer);

/// Why a call has failed, in one line: no answer, or the status and the body's start.
std::string describe(const Result<http::Response>& answer);

/// Percent-encodes everything that is no unreserved character.
std::string percent_encoded(std::string_view text);

}  // namespace baton::cli
