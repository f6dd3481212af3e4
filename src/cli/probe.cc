#include "cli/local_client.h"

namespace baton::cli {

int run_probe(const Arguments& arguments, Shell& shell) {
  const std::string what = arguments.words().empty() ? "" : arguments.words()[0];
  const std::string path = what == "live"      ? "/livez"
                           : what == "ready"   ? "/readyz"
                           : what == "started" ? "/startupz"
                           : what == "leader"  ? "/leaderz"
                                               : "";
  if (path.empty()) {
    return fail(shell, kUsage, "probe: \"" + what + "\": write live, ready, started or leader");
  }
  auto client = LocalClient::make(arguments, shell, "--probe-address", "127.0.0.1:4041,[::1]:4041");
  if (!client) return fail(shell, kUsage, "probe: " + client.error());
  const http::Reply reply = client->call("GET", path, "", std::chrono::seconds(1));
  if (reply.kind == http::IoKind::ok && reply.response.status == 200) return kOk;
  return fail(shell, kFailed, "probe " + what + ": " + describe(reply, *client));
}

}  // namespace baton::cli
