// The listeners' parameters and bodies: requests as lines, "METHOD TARGET" and then the body; '!'
// before the method leaves the headers out that every honest caller sends.
#include "api/local_api.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "fuzz/target.h"
#include "unit/api/fake_exchange.h"

namespace baton::fuzz {
namespace {

using api::FakeExchange;
using election::State;
using nlohmann::json;
using namespace std::chrono_literals;

election::Status status_of(State state, Instant now) {
  election::Status status;
  status.state = state;
  if (state == State::leading || state == State::draining || state == State::warming) {
    status.believes = state != State::draining;
    status.term_id = "t1";
    status.token = 42;
    status.deadline = now + 12s;
  }
  status.leader = {
      "web-0_1234abcd_0011", "10.0.0.7:80", 42, "2026-01-02T03:04:05.000000Z", 3, now + 12s};
  return status;
}

class Listener {
 public:
  explicit Listener(State state) {
    server_.now = Instant(1000s);
    context_.election = "web";
    context_.namespace_name = "prod";
    context_.pod = context_.legacy_name = "web-0";
    context_.identity = "web-0_1234abcd_0011";
    context_.run_id = "77";
    context_.timings = {15s, 12s, 5s, 2s, 250ms, 450ms};
    context_.board = std::make_shared<api::StatusBoard>();
    context_.ledger = std::make_shared<api::WorkLedger>(std::vector<std::string>{"a", "b"});
    context_.now = [this] { return server_.now; };
    context_.post = [this](election::Event event) { take(event); };
    context_.report_rejection = [](const api::Rejection&) {};
    context_.metrics = [] { return "baton_is_leader 1\n"; };
    context_.liveness = [] { return std::vector<api::Check>{{"election-thread", true, ""}}; };
    context_.board->publish(status_of(state, server_.now));
    local_.emplace(context_);
    local_->attach(server_);
    handlers_ = {local_->handler(), api::probe_handler(context_), api::legacy_handler(context_)};
  }

  void ask(std::size_t listener, const http::Request& request) {
    if (!http::parse_target(request.target).ok) return;  // the server refuses it
    exchanges_.push_back(std::make_shared<FakeExchange>(request, false));
    handlers_[listener](exchanges_.back());
    server_.run_posted();
  }
  void finish() {
    server_.run_until(server_.now + 10min);
    for (const auto& exchange : exchanges_) check(*exchange);
    for (const auto& exchange : exchanges_) exchange->end(true);
  }

 private:
  void take(const election::Event& event) {
    if (const auto* advance = std::get_if<election::AdvanceToken>(&event)) {
      require(advance->at_least >= 1 && advance->at_least <= election::kMaxToken,
              "an accepted token is in 1..10^18-1");
    }
    if (!std::holds_alternative<election::Resign>(event)) return;
    context_.board->publish(status_of(State::draining, server_.now));
    local_->changed();
  }

  static void check(const FakeExchange& exchange) {
    require(exchange.streams || exchange.replies == 1, "every request is answered once");
    constexpr std::array kKnown = {200, 202, 204, 400, 403, 404, 405, 409, 503, 504};
    require(std::ranges::find(kKnown, exchange.answer.status) != kKnown.end(),
            "only documented statuses are answered");
    const std::string& body = exchange.answer.body;
    if (http::header(exchange.answer.headers, "Content-Type") != "application/json") return;
    const json document = json::parse(body, nullptr, false);
    require(document.is_object(), "a JSON answer is an object");
    if (document.contains("error")) require_one_line(document["error"].get<std::string>());
  }

  api::FakeServer server_;
  api::Context context_;
  std::optional<api::LocalApi> local_;
  std::vector<http::Handler> handlers_;
  std::vector<std::shared_ptr<FakeExchange>> exchanges_;
};

}  // namespace

BATON_FUZZ_TARGET(local_api) {
  Choices choices(input);
  constexpr std::array kStates = {State::leading, State::following, State::draining, State::warming,
                                  State::blocked};
  Listener listener(kStates.at(choices.pick(kStates.size())));
  const std::size_t which = choices.pick(8);
  for (int requests = 0; !choices.empty() && requests < 16; ++requests) {
    std::string_view line = choices.line();
    http::Request request{"", "", {{"Host", "localhost"}, {"Baton-Control", "1"}}, ""};
    if (line.starts_with('!')) {
      line.remove_prefix(1);
      request.headers.clear();
    }
    request.method = line.substr(0, line.find(' '));
    request.target = line.substr(std::min(line.size(), request.method.size() + 1));
    request.body = choices.line();
    listener.ask(which < 6 ? 0 : which - 5, request);
  }
  listener.finish();
}

}  // namespace baton::fuzz
