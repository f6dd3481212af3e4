#include "support/fake_application.h"

#include <gtest/gtest.h>

namespace baton::test {

void FakeApplication::come_up() {
  auto server = http::Server::listen({address(), {}, nullptr},
                                     [this](const auto& exchange) { answer(exchange); });
  ASSERT_TRUE(server.ok()) << server.error();
  server_ = std::move(server).value();
  server_->start();
}

void FakeApplication::go_down() {
  if (!server_) return;
  server_->stop();
  hanging_.clear();
  server_.reset();
}

void FakeApplication::answer(const std::shared_ptr<http::Exchange>& exchange) {
  ++requests_;
  const http::Request& request = exchange->request();
  last_request_ = request.method + " " + request.target + " " +
                  std::string(http::header(request.headers, "Host"));
  if (hangs) return hanging_.push_back(exchange);
  exchange->reply({status, {}, std::string(body_bytes, 'x')});
}

}  // namespace baton::test
