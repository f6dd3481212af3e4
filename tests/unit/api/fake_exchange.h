// An exchange and a server without sockets: posts and timers run when the test says so, on a clock
// that the test moves.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/server.h"

namespace baton::api {

class FakeExchange : public http::Exchange {
 public:
  FakeExchange(const http::Request& request, bool over_unix_socket)
      : Exchange(request, http::parse_target(request.target), over_unix_socket) {}

  void reply(http::Response response) override {
    ++replies;
    answer = std::move(response);
    on_closed_ = nullptr;
  }
  void start_stream(http::Response head) override {
    streams = true;
    answer = std::move(head);
  }
  void write(std::string chunk) override { written.push_back(std::move(chunk)); }
  void close() override { on_closed_ = nullptr; }
  void on_closed(std::function<void()> callback) override { on_closed_ = std::move(callback); }
  bool closed_by_peer() const override { return by_peer_; }

  void end(bool by_peer) {
    by_peer_ = by_peer;
    if (const auto callback = std::exchange(on_closed_, nullptr)) callback();
  }

  int replies = 0;
  bool streams = false;
  http::Response answer;
  std::vector<std::string> written;

 private:
  bool by_peer_ = false;
  std::function<void()> on_closed_;
};

class FakeServer : public http::Server {
 public:
  void start() override {}
  void stop() override {}
  void post(std::function<void()> work) override { posted_.push_back(std::move(work)); }
  std::function<void()> after(election::Duration delay, std::function<void()> work) override {
    const auto timer = std::make_shared<Timer>(Timer{now + delay, std::move(work)});
    timers_.push_back(timer);
    return [weak = std::weak_ptr(timer)] {
      if (const auto one = weak.lock()) one->work = nullptr;
    };
  }
  boost::asio::io_context& context() override { throw std::logic_error("there are no sockets"); }
  bool try_hold(http::Exchange&) override { return places-- > 0; }
  std::string address() const override { return "127.0.0.1:4040"; }
  int open_connections() const override { return 0; }

  void run_posted() {
    for (const auto& work : std::exchange(posted_, {})) work();
  }
  /// Moves the clock to `until`, firing each timer at its time.
  void run_until(election::Instant until) {
    while (true) {
      const auto next =
          std::min_element(timers_.begin(), timers_.end(),
                           [](const auto& a, const auto& b) { return a->at < b->at; });
      if (next == timers_.end() || (*next)->at > until) break;
      const auto timer = *next;
      timers_.erase(next);
      if (!timer->work) continue;
      now = std::max(now, timer->at);
      timer->work();
    }
    now = until;
  }

  election::Instant now{};
  int places = 100;

 private:
  struct Timer {
    election::Instant at;
    std::function<void()> work;
  };
  std::vector<std::function<void()>> posted_;
  std::vector<std::shared_ptr<Timer>> timers_;
};

}  // namespace baton::api
