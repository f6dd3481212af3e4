#include "base/text.h"
#include "cli/document.h"
#include "cli/local_client.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kWait(30);   // of --wait without a duration
constexpr std::chrono::seconds kAnswer(5);  // for an answer, beyond the wait

}  // namespace

int run_resign(const Arguments& arguments, Shell& shell) {
  const bool waits = arguments.has("--wait");
  const bool announces = arguments.has("--announce");
  if (announces && (waits || arguments.has("--drained"))) {
    return fail(shell, kUsage,
                "resign: --announce releases nothing; use it without --wait and --drained");
  }
  const auto wait = duration_option(arguments, "--wait", kWait);
  if (!wait) return fail(shell, kUsage, "resign: " + wait.error());
  auto client = LocalClient::local(arguments, shell);
  if (!client) return fail(shell, kUsage, "resign: " + client.error());

  std::string query;
  const auto add = [&query](const std::string& part) {
    query += (query.empty() ? "?" : "&") + part;
  };
  if (announces) add("announce=true");
  if (arguments.has("--drained")) add("drained=true");
  if (waits) add("wait=" + format_duration(*wait));
  if (arguments.has("--name")) add("name=" + percent_encoded(arguments.get("--name")));
  const http::Reply reply =
      client->call("POST", "/resign" + query, "", waits ? *wait + kAnswer : Duration(kAnswer));
  if (reply.kind != http::IoKind::ok || reply.response.status / 100 != 2) {
    return fail(shell, kFailed, "resign: " + describe(reply, *client));
  }
  const auto document = parse_document(reply.response.body);
  if (!document) return kOk;
  shell.out << document->state << "\n";
  if (!waits || reply.response.status != 202) return kOk;
  return fail(shell, kFailed,
              "resign: not released within " + format_duration(*wait) + ", state " +
                  document->state + "; the sidecar goes on, call again with a longer --wait");
}

}  // namespace baton::cli
