#include "base/text.h"
#include "cli/local_client.h"

namespace baton::cli {

int run_token(const Arguments& arguments, Shell& shell) {
  auto client = LocalClient::local(arguments, shell);
  if (!client) return fail(shell, kUsage, "token: " + client.error());
  const http::Reply reply = client->call("GET", "/token", "", std::chrono::seconds(5));
  if (reply.kind == http::IoKind::ok && reply.response.status == 503) {
    return fail(shell, kFailed, "token: this Pod does not lead");
  }
  const auto token = parse_integer(trim(reply.response.body), 1, election::kMaxToken);
  if (reply.kind != http::IoKind::ok || reply.response.status != 200 || !token) {
    return fail(shell, kFailed, "token: " + describe(reply, *client));
  }
  shell.out << *token << "\n";
  return kOk;
}

}  // namespace baton::cli
