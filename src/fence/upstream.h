// Requests to the service behind the gateway, each on the thread of the listener by which it came:
// to hand it to another thread and back would cost as much as the way to the service.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "fence/trust.h"
#include "http/client.h"
#include "http/server.h"

namespace baton::fence {

/// `headers` without those of one connection, and those that the next sender writes itself (RFC
/// 9110, 7.6.1).
http::Headers end_to_end(const http::Headers& headers);

/// One request on its way. Any thread.
class Sending {
 public:
  virtual ~Sending() = default;
  /// Closes its connection: the answer is of kind `canceled`, unless it is there already. What the
  /// service has read it may go on with.
  virtual void cut() = 0;
};

class Upstream {
 public:
  /// An answer that takes longer than `timeout`, or is larger than the client's limits, is none.
  /// `trust` null: plain HTTP, else TLS. The server outlives it and all its requests, and is
  /// stopped when it ends.
  static std::unique_ptr<Upstream> make(http::Server& server, http::Endpoint endpoint,
                                        std::shared_ptr<Trust> trust, Duration timeout);
  virtual ~Upstream() = default;

  /// `done` is called once, later and on the server's thread, unless that is stopped before. Any
  /// thread; never blocks.
  virtual std::shared_ptr<Sending> send(http::Request request,
                                        std::function<void(http::Reply)> done) = 0;
};

}  // namespace baton::fence
