// `baton fence`: a reverse proxy in front of a service that cannot check fencing tokens itself.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "fence/gate.h"
#include "fence/state.h"
#include "fence/trust.h"
#include "fence/upstream.h"
#include "http/server.h"

namespace boost::asio {
class thread_pool;
}

namespace baton::fence {

inline constexpr std::size_t kMostBodyBytes = std::size_t{1} << 20;  // of a request

struct Options {
  std::vector<std::string> scopes;
  http::Endpoint upstream;
  std::shared_ptr<Trust> upstream_trust;                       // null: plain HTTP
  std::vector<std::string> listen_addresses, probe_addresses;  // as http::ServerOptions wants them
  // Tokens follow the store's revision, so they rise by much. As far as /token/advance may go: an
  // election can always get above a wrong token that was let in.
  std::int64_t max_jump = 1'000'000'000'000;
  Duration drain = std::chrono::seconds(5);
  Duration upstream_timeout = std::chrono::seconds(30);
};

/// What a request says of itself, or the status and the reason that it gets.
struct Claim {
  int status = 200;
  std::string reason;
  std::string scope;
  std::int64_t token = 0;
};
/// Exactly one token of 1 to 999999999999999999, and exactly one scope, of `scopes`.
Claim read_claim(const http::Headers& headers, const std::vector<std::string>& scopes);

class Gateway {
 public:
  /// Binds its listeners; the error names the address and the reason.
  static Result<std::unique_ptr<Gateway>> open(Options options, std::unique_ptr<StateFile> state);
  ~Gateway();

  void start();
  /// Refuses what comes, lets what is in flight end for at most the time to drain, and cuts the
  /// rest.
  void stop();

 private:
  class Request;
  struct Listener {
    std::unique_ptr<http::Server> server;
    std::unique_ptr<Upstream> upstream;
  };
  struct Scope {
    std::unique_ptr<Gate> gate;
    std::int64_t last_told = 0;  // the stale token that was logged last
  };

  Gateway(Options options, std::unique_ptr<StateFile> state);
  std::string listen(const std::vector<std::string>& addresses, bool is_probe);
  void take(Listener& listener, const std::shared_ptr<http::Exchange>& exchange);
  void answer_probe(http::Exchange& exchange);
  void record(const std::string& scope, std::int64_t token);
  void drain(const std::string& scope, std::int64_t token);
  std::string metrics();
  prometheus::Counter& requests_of(const std::string& scope, const char* result) {
    return requests_.Add({{"scope", scope}, {"result", result}});
  }
  void count(const std::string& scope, const char* result) {
    requests_of(scope, result).Increment();
  }

  const Options options_;
  const std::unique_ptr<StateFile> state_;

  prometheus::Registry registry_;  // any thread
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Gauge>& highest_;
  prometheus::Family<prometheus::Gauge>& in_flight_;

  std::vector<Listener> listeners_, probes_;  // outlive the requests

  std::mutex mutex_;  // protects what follows, up to the recorder
  std::condition_variable left_;
  std::map<std::string, Scope, std::less<>> scopes_;
  std::string why_not_recorded_;
  std::string last_failure_;  // of the service that was logged; "" since it has answered
  bool is_stopping_ = false;

  std::unique_ptr<boost::asio::thread_pool> recorder_;  // a thread that waits for the disk
};

}  // namespace baton::fence
