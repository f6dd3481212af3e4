// An application beside one baton, as the documentation has it: asks for the leadership, looks at
// the deadline, acts. usage: baton-acts PORT. Logs each act on standard output as one JSON line
// with CLOCK_BOOTTIME, and when it stops acting, as e2e/go/client-go-candidate does with -work.
#include <poll.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "http/client.h"

namespace {

using nlohmann::json;

constexpr int kPeriod_ms = 50;
constexpr std::chrono::seconds kAnswerBound{1};  // no answer means no

std::int64_t now_ns() { return baton::boot_now().time_since_epoch().count(); }

// One write each, so that a line is never cut by SIGKILL.
void say(const char* what, std::int64_t at_ns) {
  std::printf("{\"msg\":\"%s\",\"boottime_ns\":%lld}\n", what, static_cast<long long>(at_ns));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int port = argc == 2 ? std::atoi(argv[1]) : 0;
  if (port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: baton-acts PORT (of the sidecar's local API, 1 to 65535)\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto sidecar =
      baton::http::Connection::make({"127.0.0.1", static_cast<std::uint16_t>(port), ""}, nullptr);
  bool acted = false;
  while (true) {
    const auto reply =
        sidecar->exchange({"GET", "/leader", {}, ""}, baton::boot_now() + kAnswerBound);
    const json status = json::parse(reply.response.body, nullptr, false);
    const bool says_yes =
        reply.kind == baton::http::IoKind::ok && reply.response.status == 200 && status.is_object();
    const std::int64_t deadline_ns =
        says_yes ? std::atoll(status.value("deadlineBoottimeNs", "0").c_str()) : 0;
    const std::int64_t at_ns = now_ns();
    const bool acts = at_ns < deadline_ns;
    if (acts || acted) {
      say(acts ? "act" : "idle", at_ns);
    }
    acted = acts;
    ::poll(nullptr, 0, kPeriod_ms);
  }
}
