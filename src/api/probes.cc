#include <algorithm>

#include "api/api.h"
#include "api/document.h"
#include "api/router.h"

namespace baton::api {
namespace {

using election::State;
using Checks = std::vector<Check>;

constexpr const char* kPlain = "text/plain; charset=utf-8";

/// 200 if every check is ok. One word, or with ?verbose or on failure one line a check.
void answer_checks(const Call& call, const Checks& checks) {
  const bool ok = std::ranges::all_of(checks, &Check::ok);
  std::string lines;
  if (!ok || call.flag("verbose")) {
    for (const Check& check : checks) {
      lines += (check.ok ? "[+] " : "[-] ") + check.name +
               (check.detail.empty() ? "" : ": " + check.detail) + "\n";
    }
  }
  call.exchange->reply(uncached(ok ? 200 : 503, kPlain, lines + (ok ? "ok\n" : "failed\n")));
}

Check state_check(const StatusView& view, Instant now, bool ok) {
  const std::string state = election::to_string(view.state(now));
  const std::string& reason = view.status.reason;
  return {"state", ok, state + (reason.empty() ? "" : ", " + reason)};
}

Checks readiness(const Context& context) {
  const Instant now = context.now();
  const StatusView view = context.board->read();
  const State state = view.state(now);
  const bool ok = state != State::starting && state != State::degraded && state != State::blocked &&
                  state != State::stopped;
  // Without its watch a follower still works by LISTs, and traffic that fails costs no term.
  Checks checks{state_check(view, now, ok),
                {"watch", true, view.status.watch_live ? "live" : "down"}};
  if (context.traffic) {
    const TrafficState state = context.traffic->read().state;
    checks.push_back({"traffic", true,
                      std::string("leads ") + to_string(state.leads) +
                          (state.reason.empty() ? "" : ", " + state.reason)});
  }
  return checks;
}

Checks leadership(const Context& context) {
  const Instant now = context.now();
  const StatusView view = context.board->read_for_answer(now);
  return {state_check(view, now, view.leads(now) && view.status.state != State::warming)};
}

Route get(std::string_view path, std::string_view summary,
          std::function<void(const Call&)> handle) {
  return {"GET, HEAD", path, summary, std::move(handle), {{200, "ok"}}, {}, {}};
}

Route probe(std::string_view path, std::string_view summary, std::function<Checks()> checks) {
  Route route = get(path, summary, [checks = std::move(checks)](const Call& call) {
    answer_checks(call, checks());
  });
  route.answers.push_back({503, "failed"});
  route.query = {{"verbose", Kind::flag, "list the checks"}};
  return route;
}

/// The probes and `other`.
http::Handler probes_and(const Context& context, Route other) {
  return router({probe("/livez", "The election's thread makes progress.", context.liveness),
                 probe("/readyz", "The sidecar works; standbys are ready.",
                       [context] { return readiness(context); }),
                 probe("/startupz", "The server is up.",
                       [] {
                         return Checks{{"server", true, "up"}};
                       }),
                 probe("/leaderz", "This Pod leads, its application ready.",
                       [context] { return leadership(context); }),
                 std::move(other)},
                Reach::open);
}

}  // namespace

http::Handler probe_handler(const Context& context) {
  return probes_and(
      context,
      get("/metrics", "Prometheus' text format.", [metrics = context.metrics](const Call& call) {
        call.exchange->reply(uncached(200, "text/plain; version=0.0.4; charset=utf-8", metrics()));
      }));
}

http::Handler legacy_handler(const Context& context) {
  return probes_and(context, get("/", "The leader's Pod.", [context](const Call& call) {
                      call.exchange->reply(name_answer(context));
                    }));
}

}  // namespace baton::api
