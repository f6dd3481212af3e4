#include <poll.h>

#include "base/text.h"
#include "cli/document.h"
#include "cli/local_client.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kPoll(30);  // one long poll
constexpr std::chrono::seconds kSlack(5);  // beyond it, for the answer
constexpr std::chrono::seconds kAgain(1);  // between tries while nothing answers

void pause(Duration duration) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  poll(nullptr, 0, static_cast<int>(ms));
}

}  // namespace

int run_wait(const Arguments& arguments, Shell& shell) {
  auto client = LocalClient::local(arguments, shell);
  if (!client) return fail(shell, kUsage, "wait: " + client.error());
  const auto timeout = duration_option(arguments, "--timeout", Duration(0));
  if (!timeout) return fail(shell, kUsage, "wait: " + timeout.error());
  const Instant end = arguments.has("--timeout") ? boot_now() + *timeout : kNever;

  std::string after;
  std::string last = "no answer yet";
  while (true) {
    const Instant now = boot_now();
    const Duration left = end - now;
    const Duration poll_for = std::min<Duration>(kPoll, std::max(left, Duration(0)));
    const std::string query =
        after.empty() ? ""
                      : "?wait=" + format_duration(poll_for) + "&after=" + percent_encoded(after);
    const http::Reply reply = client->call("GET", "/leader" + query, "", poll_for + kSlack);
    const auto document = reply.kind == http::IoKind::ok ? parse_document(reply.response.body)
                                                         : Error{describe(reply, *client)};
    if (document) {
      const bool any_leader = arguments.has("--leader") && !document->leader_identity.empty();
      if (any_leader || document->leads(boot_now())) {
        shell.out << (document->leader_pod.empty() ? document->pod : document->leader_pod) << "\n";
        return kOk;
      }
      last = "state " + document->state;
    } else {
      last = document.error();
    }
    if (boot_now() >= end) return fail(shell, kFailed, "wait: timed out; " + last);
    if (!document || document->revision.empty()) {
      pause(std::min<Duration>(kAgain, end - boot_now()));
    } else {
      after = document->revision;
    }
  }
}

}  // namespace baton::cli
