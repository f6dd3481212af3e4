// Requests to the service behind the gateway: one thread and one kept connection for each that is
// on its way at once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "fence/trust.h"
#include "http/client.h"

namespace baton::fence {

/// `headers` without those of one connection, and those that the next sender writes itself (RFC
/// 9110, 7.6.1).
http::Headers end_to_end(const http::Headers& headers);

/// One request on its way. Any thread.
class Sending {
 public:
  /// Closes its connection: the answer is of kind `canceled`, unless it is there already. What the
  /// service has read it may go on with.
  void cut();

 private:
  friend class Upstream;
  using Done = std::function<void(http::Reply)>;
  Sending(http::Request request, Done done)
      : request_(std::move(request)), done_(std::move(done)) {}

  const http::Request request_;
  const Done done_;
  std::mutex mutex_;  // protects what follows
  bool is_cut_ = false;
  http::Connection* connection_ = nullptr;  // while it runs
};

class Upstream {
 public:
  /// An answer that takes longer than `timeout`, or is larger than the client's limits, is none.
  /// `trust` null: plain HTTP, else TLS.
  Upstream(http::Endpoint endpoint, std::shared_ptr<Trust> trust, Duration timeout);
  ~Upstream();

  /// `done` is called once, on a thread of the upstream's. Any thread; never blocks.
  std::shared_ptr<Sending> send(http::Request request, std::function<void(http::Reply)> done);
  /// The same for other work that waits.
  void run(std::function<void()> job);

 private:
  using Job = std::function<void(std::unique_ptr<http::Connection>&)>;
  void submit(Job job);
  void work();
  void exchange(Sending& sending, std::unique_ptr<http::Connection>& connection);

  const http::Endpoint endpoint_;
  const std::shared_ptr<Trust> trust_;
  const Duration timeout_;

  std::mutex mutex_;  // protects what follows
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::size_t idle_ = 0;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace baton::fence
