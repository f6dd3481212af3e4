// An application with a health URL on a port of its own: it comes up, goes down, hangs and answers
// as a test says.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "support/process.h"

namespace baton::test {

class FakeApplication {
 public:
  FakeApplication() = default;
  ~FakeApplication() { go_down(); }

  std::string url() const { return "http://" + address() + "/up?x=1"; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::uint16_t port() const { return port_; }

  /// A test failure if the port is taken.
  void come_up();
  void go_down();

  // How it answers from now on.
  std::atomic<int> status = 200;
  std::atomic<bool> hangs = false;
  std::atomic<std::size_t> body_bytes = 0;

  int requests() const { return requests_; }
  /// "GET /target Host" of the last request; "" before the first. Only while it is down.
  const std::string& last_request() const { return last_request_; }

 private:
  void answer(const std::shared_ptr<http::Exchange>& exchange);

  const std::uint16_t port_ = free_port();
  std::atomic<int> requests_ = 0;
  std::string last_request_;
  std::unique_ptr<http::Server> server_;
  std::vector<std::shared_ptr<http::Exchange>> hanging_;  // the server's thread
};

}  // namespace baton::test
