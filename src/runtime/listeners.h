// The listeners of one process: the local API, the probes and the retired sidecar's answer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/local_api.h"
#include "config/settings.h"
#include "http/server.h"

namespace baton::runtime {

class Listeners {
 public:
  /// Binds all of them; the error names the address and the reason. An IPv6 address that this host
  /// does not have is a log line, not an error.
  static Result<std::unique_ptr<Listeners>> open(const config::Settings& settings,
                                                 const api::Context& context);
  ~Listeners() { stop(); }

  void start();
  void stop();
  /// Tells those who wait that the board shows a change. Any thread; never blocks.
  void changed();

 private:
  /// "" or why not. Opens nothing on an IPv6 address that this host does not have.
  std::string add(const std::string& address, const http::ServerLimits& limits,
                  const http::Handler& handler);

  std::vector<std::unique_ptr<api::LocalApi>> local_;  // outlive the servers
  std::vector<std::unique_ptr<http::Server>> servers_;
};

}  // namespace baton::runtime
