#include <algorithm>

#include "api/api.h"
#include "api/document.h"
#include "api/router.h"

namespace baton::api {
namespace {

using election::State;
using Checks = std::vector<Check>;

http::Response plain(int status, std::string body) {
  return {status,
          {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}},
          std::move(body)};
}

/// 200 if every check is ok. One word, or with ?verbose or on failure one line a check.
void answer_checks(const Call& call, const Checks& checks) {
  const bool ok = std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.ok; });
  std::string lines;
  if (!ok || call.flag("verbose")) {
    for (const Check& check : checks) {
      lines += (check.ok ? "[+] " : "[-] ") + check.name +
               (check.detail.empty() ? "" : ": " + check.detail) + "\n";
    }
  }
  call.exchange->reply(plain(ok ? 200 : 503, lines + (ok ? "ok\n" : "failed\n")));
}

Check state_check(const StatusView& view, Instant now, bool ok) {
  const std::string state = election::to_string(state_at(view, now));
  const std::string& reason = view.status.reason;
  return {"state", ok, state + (reason.empty() ? "" : ", " + reason)};
}

Checks readiness(const Context& context) {
  const Instant now = context.now();
  const StatusView view = context.board->read();
  const State state = state_at(view, now);
  const bool ok = state != State::starting && state != State::degraded && state != State::blocked &&
                  state != State::stopped;
  // Without its watch a follower still works by LISTs.
  return {state_check(view, now, ok), {"watch", true, view.status.watch_live ? "live" : "down"}};
}

Checks leadership(const Context& context) {
  const Instant now = context.now();
  const StatusView view = context.board->read_for_answer(now);
  const bool ok = view.leads(now) && view.status.state != State::warming;
  return {state_check(view, now, ok)};
}

std::vector<Route> probes(const Context& context) {
  const auto probe = [](std::string_view path, std::string_view summary,
                        std::function<Checks()> checks) {
    return Route{"GET",
                 path,
                 summary,
                 {{"verbose", Kind::flag, "list the checks"}},
                 {},
                 {{200, "ok"}, {503, "failed"}},
                 [checks = std::move(checks)](const Call& call) { answer_checks(call, checks()); }};
  };
  return {
      probe("/livez", "The election's thread makes progress.", context.liveness),
      probe("/readyz", "The sidecar works; standbys are ready.",
            [context] { return readiness(context); }),
      probe("/startupz", "The server is up.",
            [] {
              return Checks{{"server", true, "up"}};
            }),
      probe("/leaderz", "This Pod leads, its application ready.",
            [context] { return leadership(context); }),
  };
}

http::Handler handler_of(std::vector<Route> routes) {
  const auto router = std::make_shared<Router>(std::move(routes), Reach::open);
  return [router](const std::shared_ptr<http::Exchange>& exchange) { router->dispatch(exchange); };
}

}  // namespace

http::Handler probe_handler(const Context& context) {
  std::vector<Route> routes = probes(context);
  routes.push_back({"GET",
                    "/metrics",
                    "Prometheus' text format.",
                    {},
                    {},
                    {{200, "the page"}},
                    [metrics = context.metrics](const Call& call) {
                      http::Response page = plain(200, metrics());
                      page.headers[0].second = "text/plain; version=0.0.4; charset=utf-8";
                      call.exchange->reply(std::move(page));
                    }});
  return handler_of(std::move(routes));
}

http::Handler legacy_handler(const Context& context) {
  std::vector<Route> routes = probes(context);
  routes.push_back(
      {"GET", "/", "The leader's Pod.", {}, {}, {{200, "its name"}}, [context](const Call& call) {
         call.exchange->reply(name_answer(context));
       }});
  return handler_of(std::move(routes));
}

}  // namespace baton::api
