#include "fence/upstream.h"

#include <pthread.h>

#include <algorithm>
#include <boost/algorithm/string/predicate.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "base/thread.h"

namespace baton::fence {
namespace {

constexpr std::size_t kMostThreads = 512;  // more requests wait for one of them
// Servers close a connection that is idle for long (Node after 5 s); a request that is sent just
// then would have an unknown outcome.
constexpr auto kKeepIdle = std::chrono::seconds(4);

constexpr std::string_view kOfOneConnection[] = {
    "Connection", "Keep-Alive", "Proxy-Connection", "TE",   "Trailer",       "Transfer-Encoding",
    "Upgrade",    "Expect",     "Content-Length",   "Host", "HTTP2-Settings"};

/// Whether one of the comma-separated names in `list` is `name`.
bool names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (boost::iequals(trim(list.substr(0, comma)), name)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

http::Headers end_to_end(const http::Headers& headers) {
  http::Headers kept;
  for (const auto& header : headers) {
    const bool is_of_one = std::ranges::any_of(
        kOfOneConnection, [&](auto name) { return boost::iequals(name, header.first); });
    const bool is_named = std::ranges::any_of(headers, [&](const auto& other) {
      return boost::iequals(other.first, "Connection") && names(other.second, header.first);
    });
    if (!is_of_one && !is_named) kept.push_back(header);
  }
  return kept;
}

void Sending::cut() {
  const std::lock_guard lock(mutex_);
  is_cut_ = true;
  if (connection_ != nullptr) connection_->cancel();
}

Upstream::Upstream(http::Endpoint endpoint, std::shared_ptr<Trust> trust, Duration timeout)
    : endpoint_(std::move(endpoint)), trust_(std::move(trust)), timeout_(timeout) {
  threads_.push_back(named_thread("upstream", [this] { work(); }));
}

Upstream::~Upstream() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<Sending> Upstream::send(http::Request request,
                                        std::function<void(http::Reply)> done) {
  std::shared_ptr<Sending> sending(new Sending(std::move(request), std::move(done)));
  submit([this, sending](auto& connection) { exchange(*sending, connection); });
  return sending;
}

void Upstream::run(std::function<void()> job) {
  submit([job = std::move(job)](auto&) { job(); });
}

void Upstream::submit(Job job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_ && threads_.size() < kMostThreads) {
    try {
      threads_.push_back(named_thread("upstream", [this] { work(); }));
    } catch (const std::system_error&) {  // it waits for one of the others
    }
  }
  wake_.notify_one();
}

void Upstream::work() {
  std::unique_ptr<http::Connection> connection;
  Instant used = kLongAgo;
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    if (connection && boot_now() - used > kKeepIdle) connection->close();
    job(connection);
    used = boot_now();
    lock.lock();
  }
}

void Upstream::exchange(Sending& sending, std::unique_ptr<http::Connection>& connection) {
  // One that is to be opened anew is to trust the CA that is in the file now.
  if (!connection || (trust_ && !connection->connected())) {
    connection = http::Connection::make(endpoint_, trust_ ? trust_->context() : nullptr);
  }
  const auto begin = [&] {
    const std::lock_guard lock(sending.mutex_);
    if (!sending.is_cut_) sending.connection_ = connection.get();
    return !sending.is_cut_;
  };
  http::Reply reply{.kind = http::IoKind::canceled, .what = "canceled", .response = {}};
  if (begin()) {
    reply = connection->exchange(sending.request_, boot_now() + timeout_);
    const std::lock_guard lock(sending.mutex_);
    sending.connection_ = nullptr;
    // A cut that came late would end the next request.
    if (sending.is_cut_) connection.reset();
  }
  sending.done_(std::move(reply));
}

}  // namespace baton::fence
