#include <nlohmann/json.hpp>

#include "cli/document.h"
#include "cli/local_client.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kAnswer(5);

/// --term, else the term whose child we are, else the one that runs now; "" if none does.
Result<std::string> term_of(const Arguments& arguments, const Shell& shell, LocalClient& client) {
  if (arguments.has("--term")) return arguments.get("--term");
  const auto inherited = shell.environment.find("BATON_TERM_ID");
  if (inherited != shell.environment.end() && !inherited->second.empty()) return inherited->second;
  const http::Reply reply = client.call("GET", "/leader", "", kAnswer);
  if (reply.kind != http::IoKind::ok) return Error{describe(reply, client)};
  const auto document = parse_document(reply.response.body);
  if (!document) return Error{document.error()};
  return document->term_id;
}

}  // namespace

int run_drained(const Arguments& arguments, Shell& shell) {
  auto client = LocalClient::local(arguments, shell);
  if (!client) return fail(shell, kUsage, "drained: " + client.error());
  const auto term = term_of(arguments, shell, *client);
  if (!term) return fail(shell, kFailed, "drained: " + term.error());
  if (term->empty()) return kOk;
  nlohmann::json body = {{"termId", *term}};
  if (arguments.has("--name")) body["name"] = arguments.get("--name");
  const auto invalid = nlohmann::json::error_handler_t::replace;
  const http::Reply reply =
      client->call("POST", "/drained", body.dump(-1, ' ', false, invalid), kAnswer);
  if (reply.kind == http::IoKind::ok && reply.response.status / 100 == 2) return kOk;
  return fail(shell, kFailed, "drained: " + describe(reply, *client));
}

}  // namespace baton::cli
