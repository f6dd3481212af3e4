// Requests to the development API server, "USER METHOD TARGET" and then the body, a line each; USER
// is a digit, or '!' for the control port.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "devserver/api_server.h"
#include "devserver/control.h"
#include "fuzz/target.h"
#include "unit/api/fake_exchange.h"

namespace baton::fuzz {
namespace {

using api::FakeExchange;
using api::FakeServer;

class Devserver {
 public:
  Devserver() {
    api_.attach(api_server_);
    control_.attach(control_server_);
    api_server_.now = control_server_.now = boot_now();
  }
  void ask(std::string_view line, std::string_view body) {
    const char who = line.empty() ? '0' : line.front();
    Choices words(line.substr(std::min<std::size_t>(line.size(), 2)));
    const std::string text(words.rest());
    const auto space = std::min(text.find(' '), text.size());
    http::Request request{text.substr(0, space),
                          text.substr(std::min(space + 1, text.size())),
                          {},
                          std::string(body)};
    if (!http::parse_target(request.target).ok) return;  // the server refuses it
    const auto index = static_cast<std::size_t>(std::clamp(who - '0', 0, 9));
    request.headers.emplace_back("Authorization", "Bearer " + users().at(index).token);
    const auto exchange = std::make_shared<FakeExchange>(request, false);
    if (who == '!') {
      control_.handler()(exchange);
      turn();
      check(exchange->answer);
      require(exchange->replies == 1, "a request to the control port is answered at once");
    } else {
      api_.handler()(exchange);
      turn();
      exchanges_.push_back(exchange);
    }
  }
  void finish() {
    api_server_.run_until(api_server_.now + std::chrono::minutes(5));
    turn();
    for (const auto& exchange : exchanges_) {
      require(exchange->replies <= 1, "no request is answered twice");
      if (exchange->replies == 1) check(exchange->answer);
      exchange->end(true);
    }
    turn();
  }

 private:
  void turn() {
    api_server_.run_posted();
    control_server_.run_posted();
    api_server_.run_posted();
  }
  static void check(const http::Response& answer) {
    require(answer.status >= 100 && answer.status <= 999, "a status has three digits");
  }

  static const std::vector<devserver::User>& users() {
    static const std::vector<devserver::User> all = devserver::make_users();
    return all;
  }

  FakeServer api_server_, control_server_;
  devserver::ApiServer api_{users()};
  devserver::Control control_{api_};
  std::vector<std::shared_ptr<FakeExchange>> exchanges_;
};

}  // namespace

BATON_FUZZ_TARGET(devserver) {
  Devserver server;
  Choices choices(input);
  for (int requests = 0; !choices.empty() && requests < 32; ++requests) {
    const std::string_view line = choices.line();
    server.ask(line, choices.line());
  }
  server.finish();
}

}  // namespace baton::fuzz
