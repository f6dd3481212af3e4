// The listeners of one process: the local API, the probes and the retired sidecar's answer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/api.h"
#include "config/settings.h"

namespace baton::runtime {

class Listeners {
 public:
  /// Binds all of them; the error names the address and the reason. An IPv6 address that this host
  /// does not have is a log line, not an error.
  static Result<std::unique_ptr<Listeners>> open(const config::Settings& settings,
                                                 const api::Context& context);
  ~Listeners();

  void start();
  void stop();
  /// Tells those who wait that the board shows a change. Any thread; never blocks.
  void changed();

 private:
  struct Local {
    std::unique_ptr<api::LocalApi> api;
    std::unique_ptr<http::Server> server;
  };
  std::vector<Local> local_;
  std::vector<std::unique_ptr<http::Server>> others_;
};

}  // namespace baton::runtime
