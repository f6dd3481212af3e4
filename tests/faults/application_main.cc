// An application as people write it: asks its sidecar, does a piece of work, looks at the deadline
// and writes with the token. usage: baton-test-application SIDECAR-PORT STORE-PORT NAME
// Between looking and writing it stops itself if SIGUSR1 has come: the worst moment there is.
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "http/client.h"

namespace {

using nlohmann::json;

constexpr int kWork_ms = 20;
std::atomic<bool> stop_wanted = false;

std::int64_t now_ns() { return baton::boot_now().time_since_epoch().count(); }

std::unique_ptr<baton::http::Connection> connect(const char* port) {
  return baton::http::Connection::make(
      {"127.0.0.1", static_cast<std::uint16_t>(std::atoi(port)), ""}, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: baton-test-application SIDECAR-PORT STORE-PORT NAME\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGUSR1, [](int) { stop_wanted = true; });
  const auto sidecar = connect(argv[1]);
  const auto store = connect(argv[2]);
  const auto bound = [] { return baton::boot_now() + std::chrono::seconds(5); };
  std::string sealed_term;
  while (true) {
    const std::int64_t asked_ns = now_ns();
    const auto reply = sidecar->exchange({"GET", "/leader", {}, ""}, bound());
    const json status = json::parse(reply.response.body, nullptr, false);
    const bool says_yes =
        reply.kind == baton::http::IoKind::ok && reply.response.status == 200 && status.is_object();
    if (says_yes) {
      const std::int64_t deadline_ns = std::atoll(status.value("deadlineBoottimeNs", "0").c_str());
      const json write = {{"writer", argv[3]},
                          {"token", status.value("fencingToken", "0")},
                          {"term_id", status.value("termId", "")},
                          {"asked_ns", asked_ns},
                          {"deadline_ns", deadline_ns}};
      // A new leader seals what it will write to, before it reads from it.
      const bool seals = status.value("termId", "") != sealed_term;
      ::poll(nullptr, 0, seals ? 0 : kWork_ms);
      if (now_ns() < deadline_ns) {
        if (!seals && stop_wanted.exchange(false)) ::raise(SIGSTOP);
        const auto answer = store->exchange({"POST", "/write", {}, write.dump()}, bound());
        if (answer.kind == baton::http::IoKind::ok && answer.response.status == 200) {
          sealed_term = status.value("termId", "");
        }
      }
    } else {
      ::poll(nullptr, 0, kWork_ms);
    }
  }
}
