// The commands that ask the sidecar once, or until the answer is right.
#include <poll.h>

#include <algorithm>
#include <iomanip>
#include <map>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/local_client.h"
#include "election/lease.h"

namespace baton::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kProbe(1);
constexpr seconds kAnswer(5);    // for an answer, beyond the time that the sidecar may wait with it
constexpr seconds kRelease(30);  // of resign --wait without a duration
constexpr seconds kPoll(30);     // one long poll of wait
constexpr seconds kAgain(1);     // between tries of wait while nothing answers

/// --term, else the term whose child we are, else the one that runs now; "" if none does.
Result<std::string> term_of(const Call& call) {
  if (call.arguments.has("--term")) return call.arguments.get("--term");
  const auto inherited = call.shell.environment.find("BATON_TERM_ID");
  if (inherited != call.shell.environment.end() && !inherited->second.empty()) {
    return inherited->second;
  }
  const auto document = call.client->document(kAnswer);
  if (!document) return Error{document.error()};
  return document->term_id;
}

void show(const Document& document, const Call& call) {
  std::ostream& out = call.shell.out;
  if (call.arguments.has("--json")) {
    out << document.json << std::endl;
    return;
  }
  const auto row = [&out](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    out << std::left << std::setw(12) << name << printable(value, 400) << "\n";
  };
  const Instant now = boot_now();
  const bool leads = document.leads(now);
  row("election", document.namespace_name + "/" + document.election);
  row("this Pod", document.pod);
  row("state", document.state);
  row("reason", document.reason);
  row("leader", leads                         ? document.pod + " (this Pod)"
                : document.leader_pod.empty() ? "none known"
                                              : document.leader_pod);
  row("address", document.leader_address);
  row("token", leads ? document.fencing_token : document.leader_token);
  row("valid for",
      leads ? format_duration(std::chrono::floor<milliseconds>(document.deadline - now)) : "");
  row("since", document.leader_since);
  row("transitions", document.leader_transitions);
  const std::string& why = document.traffic_reason;
  row("traffic", document.traffic + (why.empty() ? "" : ", " + why));
  out << std::flush;
}

int watch(const Call& call) {
  const auto stream = call.client->open_events(kAnswer);
  if (!stream) return call.fail(kFailed, stream.error());
  EventLines events;
  std::string error, revision;
  while (call.shell.out) {
    const auto line = (*stream)->next_line(kNever, error);
    if (!line) break;
    const auto data = events.feed(*line);
    if (!data) continue;
    const auto document = parse_document(*data);
    if (!document) return call.fail(kFailed, document.error());
    if (document->revision == revision) continue;  // only the deadline moved
    if (!call.arguments.has("--json") && !revision.empty()) call.shell.out << "\n";
    revision = document->revision;
    show(*document, call);
  }
  return call.fail(kFailed, "the sidecar ended the stream" + (error.empty() ? "" : ": " + error));
}

}  // namespace

int run_probe(const Call& call) {
  const std::map<std::string, std::string> paths = {
      {"live", "/livez"}, {"ready", "/readyz"}, {"started", "/startupz"}, {"leader", "/leaderz"}};
  const auto path = paths.find(call.word(0));
  if (path == paths.end()) {
    return call.fail(kUsage, "\"" + call.word(0) + "\": write live, ready, started or leader");
  }
  const auto answer = call.client->call("GET", path->second, kProbe);
  if (answer && answer->status == 200) return kOk;
  call.shell.err << "baton: probe " << path->first << ": " << describe(answer) << "\n";
  return kFailed;
}

int run_token(const Call& call) {
  const auto answer = call.client->call("GET", "/token", kAnswer);
  if (answer && answer->status == 503) return call.fail(kFailed, "this Pod does not lead");
  if (!answer || answer->status != 200) return call.fail(kFailed, describe(answer));
  const auto token = parse_integer(trim(answer->body), 1, election::kMaxToken);
  if (!token) return call.fail(kFailed, describe(answer));
  call.shell.out << *token << "\n";
  return kOk;
}

int run_drained(const Call& call) {
  const auto term = term_of(call);
  if (!term) return call.fail(kFailed, term.error());
  if (term->empty()) return kOk;
  const auto answer = call.client->call("POST", "/drained", kAnswer,
                                        term_body(*term, call.arguments.get("--name")));
  return is_done(answer) ? kOk : call.fail(kFailed, describe(answer));
}

int run_resign(const Call& call) {
  const Arguments& arguments = call.arguments;
  const bool waits = arguments.has("--wait");
  if (arguments.has("--announce") && (waits || arguments.has("--drained"))) {
    return call.fail(kUsage, "--announce releases nothing; use it without --wait and --drained");
  }
  const auto wait = arguments.duration("--wait", kRelease);
  if (!wait) return call.fail(kUsage, wait.error());

  std::string query;
  if (arguments.has("--announce")) query += "&announce=true";
  if (arguments.has("--drained")) query += "&drained=true";
  if (waits) query += "&wait=" + format_duration(*wait);
  if (arguments.has("--name")) query += "&name=" + percent_encoded(arguments.get("--name"));
  if (!query.empty()) query[0] = '?';
  const auto answer =
      call.client->call("POST", "/resign" + query, waits ? *wait + kAnswer : Duration(kAnswer));
  if (!is_done(answer)) return call.fail(kFailed, describe(answer));
  const auto document = parse_document(answer->body);
  if (!document) return kOk;
  call.shell.out << document->state << "\n";
  if (!waits || answer->status != 202) return kOk;
  return call.fail(kFailed, "not released within " + format_duration(*wait) + ", state " +
                                document->state +
                                "; the sidecar goes on, call again with a longer --wait");
}

int run_status(const Call& call) {
  // Where the stream is wanted, this finds the address that answers.
  const auto answer = call.client->call("GET", "/leader", kAnswer);
  if (!answer) return call.fail(kFailed, answer.error());
  if (call.arguments.has("--watch")) return watch(call);
  const auto document = parse_document(answer->body);
  if (!document) return call.fail(kFailed, document.error());
  show(*document, call);
  return kOk;
}

int run_wait(const Call& call) {
  const auto timeout = call.arguments.duration("--timeout", Duration(0));
  if (!timeout) return call.fail(kUsage, timeout.error());
  const Instant end = call.arguments.has("--timeout") ? boot_now() + *timeout : kNever;
  std::string after;  // the revision that was seen, for a long poll
  while (true) {
    const Duration poll_for = std::clamp<Duration>(end - boot_now(), Duration(0), kPoll);
    const std::string query =
        after.empty() ? ""
                      : "?wait=" + format_duration(poll_for) + "&after=" + percent_encoded(after);
    const auto document = call.client->document(poll_for + kAnswer, query);
    if (document && (document->leads(boot_now()) ||
                     (call.arguments.has("--leader") && !document->leader_identity.empty()))) {
      call.shell.out << (document->leader_pod.empty() ? document->pod : document->leader_pod)
                     << "\n";
      return kOk;
    }
    const Duration left = end - boot_now();
    if (left <= Duration(0)) {
      return call.fail(kFailed,
                       "timed out; " + (document ? "state " + document->state : document.error()));
    }
    if (document && !document->revision.empty()) {
      after = document->revision;
    } else {
      const auto pause = std::chrono::ceil<milliseconds>(std::min<Duration>(kAgain, left));
      poll(nullptr, 0, static_cast<int>(pause.count()));
    }
  }
}

}  // namespace baton::cli
