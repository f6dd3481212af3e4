#include <iomanip>

#include "base/text.h"
#include "cli/document.h"
#include "cli/local_client.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kAnswer(5);

void print_row(std::ostream& out, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  out << std::left << std::setw(12) << name << printable(value, 400) << "\n";
}

void print(std::ostream& out, const Document& document, Instant now) {
  print_row(out, "election", document.namespace_name + "/" + document.election);
  print_row(out, "this Pod", document.pod);
  print_row(out, "state", document.state);
  print_row(out, "reason", document.reason);
  const bool leads = document.leads(now);
  print_row(out, "leader",
            leads                         ? document.pod + " (this Pod)"
            : document.leader_pod.empty() ? "none known"
                                          : document.leader_pod);
  print_row(out, "address", document.leader_address);
  print_row(out, "token", leads ? document.fencing_token : document.leader_token);
  if (leads) {
    print_row(
        out, "valid for",
        format_duration(std::chrono::floor<std::chrono::milliseconds>(document.deadline - now)));
  }
  print_row(out, "since", document.leader_since);
  print_row(out, "transitions", document.leader_transitions);
}

void show(const std::string& text, const Document& document, bool as_json, Shell& shell) {
  if (as_json) {
    shell.out << trim(text) << std::endl;
    return;
  }
  print(shell.out, document, boot_now());
  shell.out << std::flush;
}

int watch(const LocalClient& client, bool as_json, Shell& shell) {
  const auto stream = client.separate_connection();
  const http::Reply reply =
      stream->open_stream(make_request("GET", "/leader/events"), boot_now() + kAnswer);
  if (reply.kind != http::IoKind::ok || reply.response.status != 200) {
    return fail(shell, kFailed, "status: " + describe(reply, client));
  }
  EventLines events;
  std::string error, revision;
  while (shell.out) {
    const auto line = stream->next_line(kNever, error);
    if (!line) break;
    const auto data = events.feed(*line);
    if (!data) continue;
    const auto document = parse_document(*data);
    if (!document) return fail(shell, kFailed, "status: " + document.error());
    if (document->revision == revision) continue;  // only the deadline moved
    if (!as_json && !revision.empty()) shell.out << "\n";
    revision = document->revision;
    show(*data, *document, as_json, shell);
  }
  return fail(shell, kFailed,
              "status: the sidecar ended the stream" + (error.empty() ? "" : ": " + error));
}

}  // namespace

int run_status(const Arguments& arguments, Shell& shell) {
  auto client = LocalClient::local(arguments, shell);
  if (!client) return fail(shell, kUsage, "status: " + client.error());
  const bool as_json = arguments.has("--json");
  // Also finds the address that answers, before a stream is opened there.
  const http::Reply reply = client->call("GET", "/leader", "", kAnswer);
  if (reply.kind != http::IoKind::ok) {
    return fail(shell, kFailed, "status: " + describe(reply, *client));
  }
  if (arguments.has("--watch")) return watch(*client, as_json, shell);
  const auto document = parse_document(reply.response.body);
  if (!document) return fail(shell, kFailed, "status: " + document.error());
  show(reply.response.body, *document, as_json, shell);
  return kOk;
}

}  // namespace baton::cli
