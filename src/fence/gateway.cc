#include "fence/gateway.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>
#include <utility>

#include "base/failpoint.h"
#include "base/text.h"
#include "observe/log.h"

namespace baton::fence {
namespace {

using observe::Level;

// A body may come slowly, as from a leader that was paused in its middle.
constexpr auto kRequestTimeout = std::chrono::seconds(30);

std::vector<std::string> values_of(const http::Headers& headers, std::string_view name) {
  std::vector<std::string> values;
  for (const auto& [key, value] : headers) {
    if (boost::iequals(key, name)) values.push_back(value);
  }
  return values;
}

http::Response plain(int status, const std::string& reason) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, reason + "\n"};
}

http::Response with_highest(http::Response response, std::int64_t highest) {
  response.headers.emplace_back("Baton-Highest-Token", std::to_string(highest));
  return response;
}

}  // namespace

Claim read_claim(const http::Headers& headers, const std::vector<std::string>& scopes) {
  Claim claim;
  const auto tokens = values_of(headers, "Baton-Fencing-Token");
  const auto token = tokens.size() == 1 ? parse_integer(tokens[0], 1, kLargestToken) : std::nullopt;
  if (!token) {
    claim.status = 400;
    claim.reason = tokens.size() == 1 ? "not a fencing token: \"" + printable(tokens[0]) +
                                            "\"; it is a number of 1 to 999999999999999999"
                                      : "not one fencing token: " + std::to_string(tokens.size()) +
                                            " headers Baton-Fencing-Token; send one";
    return claim;
  }
  const auto given = values_of(headers, "Baton-Fencing-Scope");
  if (given.size() != 1 || std::ranges::find(scopes, given[0]) == scopes.end()) {
    std::string known;
    for (const std::string& scope : scopes) known += (known.empty() ? "" : ", ") + scope;
    claim.status = 403;
    claim.reason = (given.size() == 1
                        ? "a token of scope \"" + printable(given[0]) + "\""
                        : std::to_string(given.size()) + " headers Baton-Fencing-Scope; send one") +
                   "; here it is " + known;
    return claim;
  }
  claim.scope = given[0];
  claim.token = *token;
  return claim;
}

/// A request on its way through. It is answered on its listener's thread.
class Gateway::Request final : public Passage, public std::enable_shared_from_this<Request> {
 public:
  Request(Gateway& gateway, Listener& listener, std::shared_ptr<http::Exchange> exchange,
          const Claim& claim)
      : gateway_(gateway),
        listener_(listener),
        exchange_(std::move(exchange)),
        scope_(claim.scope),
        token_(claim.token) {}

  void forward() override {
    failpoint(Failpoint::fence_before_forward);
    http::Request request = exchange_->request();
    request.headers = end_to_end(request.headers);
    request.headers.emplace_back("Via", "1.1 baton");
    sending_ = listener_.upstream->send(
        std::move(request),
        [self = shared_from_this()](http::Reply reply) { self->done(std::move(reply)); });
  }

  void refuse(Refusal why, std::int64_t highest, const std::string& detail) override {
    const std::string token = std::to_string(token_);
    switch (why) {
      case Refusal::stale:
        tell_stale(highest);
        return finish("stale",
                      with_highest(plain(409, "stale fencing token " + token + ": the highest is " +
                                                  std::to_string(highest)),
                                   highest));
      case Refusal::jump:
        return finish("jump",
                      with_highest(plain(403, "the token " + token + " is more than " +
                                                  std::to_string(gateway_.options_.max_jump) +
                                                  " above the highest, " + std::to_string(highest) +
                                                  "; if it is right, raise --max-jump"),
                                   highest));
      case Refusal::not_recorded:
        return finish("not_recorded", plain(503, "the token cannot be recorded: " + detail));
    }
  }

  void cut(std::int64_t highest) override {
    cut_by_ = highest;
    if (sending_) sending_->cut();
  }

  /// The one who asked has gone. Gateway's mutex is held.
  void abandon(Gate& gate) {
    if (sending_) return sending_->cut();
    gate.leave(shared_from_this());
  }

 private:
  /// The listener's thread.
  void done(http::Reply reply) {
    failpoint(Failpoint::fence_forwarded);
    std::unique_lock lock(gateway_.mutex_);
    sending_.reset();  // which holds this
    auto response = conclude(std::move(reply));
    lock.unlock();
    // First: once nothing is in flight, a stop waits for no answer.
    if (response) exchange_->reply(std::move(*response));
    lock.lock();
    gateway_.scopes_.find(scope_)->second.gate->leave(shared_from_this());
    gateway_.left_.notify_all();
  }

  /// The answer, unless the one who asked has gone.
  std::optional<http::Response> conclude(http::Reply reply) {
    const int status = reply.response.status;
    if (reply.kind == http::IoKind::ok && status >= 200) {
      gateway_.last_failure_.clear();
      gateway_.count(scope_, "forwarded");
      return passed_on(std::move(reply.response));
    }
    if (cut_by_ > 0) {
      gateway_.count(scope_, "cut");
      return with_highest(plain(502, "cut off: the token " + std::to_string(cut_by_) +
                                         " has come; what the service did of this is unknown"),
                          cut_by_);
    }
    if (reply.kind == http::IoKind::canceled) {
      gateway_.count(scope_, "abandoned");
      return {};
    }
    gateway_.count(scope_, "failed");
    if (reply.what.empty()) reply.what = "an answer of status " + std::to_string(status);
    const bool is_sent = reply.kind != http::IoKind::not_sent;
    if (std::exchange(gateway_.last_failure_, reply.what) != reply.what) {
      observe::log(Level::warning, "no answer from the service",
                   {{"reason", reply.what}, {"sent", is_sent}});
    }
    return plain(
        502, reply.what + (is_sent ? "; what the service did is unknown" : "; nothing was sent"));
  }

  http::Response passed_on(http::Response response) const {
    const std::string length(http::header(response.headers, "Content-Length"));
    response.headers = end_to_end(response.headers);
    std::erase_if(response.headers,
                  [](const auto& one) { return boost::iequals(one.first, "Date"); });
    if (exchange_->request().method == "HEAD" && !length.empty()) {
      response.headers.emplace_back("Content-Length", length);
    }
    return response;
  }

  void tell_stale(std::int64_t highest) {
    Scope& scope = gateway_.scopes_.find(scope_)->second;
    if (std::exchange(scope.last_told, token_) == token_) return;
    observe::log(Level::warning, "stale token refused",
                 {{"scope", scope_},
                  {"token", token_},
                  {"highest", highest},
                  {"method", printable(exchange_->request().method)},
                  {"target", printable(exchange_->request().target)}});
  }

  void finish(const char* result, http::Response response) {
    gateway_.count(scope_, result);
    listener_.server->post([exchange = exchange_, response = std::move(response)]() mutable {
      exchange->reply(std::move(response));
    });
  }

  Gateway& gateway_;
  Listener& listener_;
  const std::shared_ptr<http::Exchange> exchange_;
  const std::string scope_;
  const std::int64_t token_;
  std::shared_ptr<Sending> sending_;  // these two: under the gateway's mutex
  std::int64_t cut_by_ = 0;
};

Gateway::Gateway(Options options, std::unique_ptr<StateFile> state)
    : options_(std::move(options)),
      state_(std::move(state)),
      requests_(prometheus::BuildCounter()
                    .Name("baton_fence_requests_total")
                    .Help("Requests to the gateway by scope and what became of them.")
                    .Register(registry_)),
      highest_(prometheus::BuildGauge()
                   .Name("baton_fence_highest_token")
                   .Help("The highest token seen; a sample is a double, rounded above 2^53.")
                   .Register(registry_)),
      in_flight_(prometheus::BuildGauge()
                     .Name("baton_fence_requests_in_flight")
                     .Help("Requests that are with the service now.")
                     .Register(registry_)),
      recorder_(std::make_unique<boost::asio::thread_pool>(1)) {
  // From 0 on: what begins at 1 has not increased for Prometheus.
  for (const char* result : {"bad_token", "bad_scope"}) requests_of("", result);
  const Tokens tokens = state_->tokens();
  for (const std::string& scope : options_.scopes) {
    for (const char* result :
         {"forwarded", "stale", "jump", "not_recorded", "cut", "failed", "abandoned"}) {
      requests_of(scope, result);
    }
    scopes_[scope].gate = std::make_unique<Gate>(
        tokens.at(scope), options_.max_jump,
        Gate::Hooks{.record = [this, scope](std::int64_t token) { record(scope, token); },
                    .drain = [this, scope](std::int64_t token) { drain(scope, token); }});
  }
}

Gateway::~Gateway() { stop(); }

Result<std::unique_ptr<Gateway>> Gateway::open(Options options, std::unique_ptr<StateFile> state) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(options), std::move(state)));
  std::string error = gateway->listen(gateway->options_.listen_addresses, false);
  if (error.empty()) error = gateway->listen(gateway->options_.probe_addresses, true);
  if (!error.empty()) return Error{error};
  return gateway;
}

std::string Gateway::listen(const std::vector<std::string>& addresses, bool is_probe) {
  auto& listeners = is_probe ? probes_ : listeners_;
  for (const std::string& address : addresses) {
    http::ServerOptions options{.address = address, .limits = {}, .tls = nullptr};
    if (!is_probe) {
      options.limits.body_bytes = kMostBodyBytes;
      options.limits.request_timeout = kRequestTimeout;
    }
    http::Handler handler = [this, index = listeners.size()](const auto& exchange) {
      take(listeners_[index], exchange);
    };
    if (is_probe) handler = [this](const auto& exchange) { answer_probe(*exchange); };
    auto server = http::Server::listen(options, std::move(handler));
    if (server.ok()) {
      Listener& listener = listeners.emplace_back();
      listener.server = std::move(server).value();
      if (is_probe) continue;
      listener.upstream = Upstream::make(*listener.server, options_.upstream,
                                         options_.upstream_trust, options_.upstream_timeout);
    } else if (!address.starts_with('[') || server.error().find("in use") != std::string::npos) {
      return server.error();
    } else {  // this host has no such address
      observe::log(Level::warning, "listener left out",
                   {{"address", address}, {"reason", server.error()}});
    }
  }
  return listeners.empty() && !is_probe ? "listen: none of the addresses is one of this host" : "";
}

void Gateway::start() {
  for (const auto& one : listeners_) one.server->start();
  for (const auto& one : probes_) one.server->start();
  for (const auto& [scope, token] : state_->tokens()) {
    observe::log(Level::info, "fencing", {{"scope", scope}, {"highest", token}});
  }
}

void Gateway::stop() {
  {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    left_.wait_for(lock, options_.drain, [this] {
      return std::ranges::all_of(scopes_,
                                 [](const auto& one) { return one.second.gate->is_empty(); });
    });
  }
  for (const auto& one : listeners_) one.server->stop();  // and with it what is left
  for (const auto& one : probes_) one.server->stop();
  recorder_->join();
}

/// The listener's thread.
void Gateway::take(Listener& listener, const std::shared_ptr<http::Exchange>& exchange) {
  const Claim claim = read_claim(exchange->request().headers, options_.scopes);
  if (claim.status != 200) {
    count("", claim.status == 400 ? "bad_token" : "bad_scope");
    return exchange->reply(plain(claim.status, claim.reason));
  }
  const auto request = std::make_shared<Request>(*this, listener, exchange, claim);
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return exchange->reply(plain(503, "the gateway is being stopped"));
    scopes_.find(claim.scope)->second.gate->arrive(request, claim.token);
  }
  exchange->on_closed([this, scope = claim.scope, weak = std::weak_ptr(request)] {
    const auto alive = weak.lock();
    if (!alive) return;
    const std::lock_guard lock(mutex_);
    alive->abandon(*scopes_.find(scope)->second.gate);
  });
}

void Gateway::record(const std::string& scope, std::int64_t token) {
  boost::asio::post(*recorder_, [this, scope, token] {
    const std::string error = state_->raise(scope, token);
    observe::log(error.empty() ? Level::info : Level::error,
                 error.empty() ? "higher token recorded" : "higher token not recorded",
                 {{"scope", scope}, {"token", token}, {"reason", error}});
    const std::lock_guard lock(mutex_);
    why_not_recorded_ = error;
    scopes_.find(scope)->second.gate->recorded(token, error);
  });
}

void Gateway::drain(const std::string& scope, std::int64_t token) {
  http::Server& server = *listeners_.front().server;
  server.post([this, &server, scope, token] {
    server.after(options_.drain, [this, scope, token] {
      const std::lock_guard lock(mutex_);
      scopes_.find(scope)->second.gate->drained(token);
    });
  });
}

void Gateway::answer_probe(http::Exchange& exchange) {
  const std::string& path = exchange.target().path;
  const std::string& method = exchange.request().method;
  if (method != "GET" && method != "HEAD") return exchange.reply(plain(405, "use GET"));
  if (path == "/livez") return exchange.reply(plain(200, "ok"));
  if (path == "/metrics") {
    return exchange.reply(
        {200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics()});
  }
  if (path != "/readyz") return exchange.reply(plain(404, "there are /livez, /readyz, /metrics"));
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return exchange.reply(plain(503, "the gateway is being stopped"));
  exchange.reply(why_not_recorded_.empty() ? plain(200, "ok") : plain(503, why_not_recorded_));
}

std::string Gateway::metrics() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [scope, one] : scopes_) {
      highest_.Add({{"scope", scope}}).Set(static_cast<double>(one.gate->highest()));
      in_flight_.Add({{"scope", scope}}).Set(static_cast<double>(one.gate->in_flight()));
    }
  }
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace baton::fence
