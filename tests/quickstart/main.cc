// baton-quickstart DIR [--once]: three replicas on a development API server, shown live or led
// through a guided tour. Safety is judged from the replicas' logs on the one BOOTTIME clock, not by
// asking them.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "quickstart/acts.h"
#include "support/belief_log.h"

namespace {

using namespace baton;
using quickstart::Stage;

test::Verdict judge(Stage& stage) {
  std::vector<test::NamedLog> logs;
  for (const auto& replica : stage.replicas()) logs.push_back({replica->name(), replica->log()});
  return test::judge(logs);
}

/// Whether two terms of `verdict` overlap between the two instants.
bool two_led(const test::Verdict& verdict, std::int64_t from_ns, std::int64_t until_ns) {
  for (const auto& one : verdict.terms) {
    for (const auto& other : verdict.terms) {
      if (&one == &other) continue;
      const auto begin = std::max({one.from_ns, other.from_ns, from_ns});
      const auto end = std::min({one.until_ns, other.until_ns, until_ns});
      if (begin < end) return true;
    }
  }
  return false;
}

int tour(Stage& stage) {
  const auto rows = quickstart::play(stage);
  const auto verdict = judge(stage);
  std::printf("%-55s %14s  %12s -> %-12s %s\n", "what was done", "next leader", "token", "token",
              "two led at once");
  bool held = rows.size() == 5;
  for (const auto& row : rows) {
    const bool two = two_led(verdict, row.from_ns, row.until_ns);
    const bool rose = std::atoll(row.after.c_str()) > std::atoll(row.before.c_str());
    held = held && row.failure.empty() && rose && !two;
    std::printf("%-55s %11.3f s   %12s -> %-12s %s\n", row.done.c_str(),
                static_cast<double>(row.until_ns - row.from_ns) / 1e9, row.before.c_str(),
                row.after.c_str(), two ? "YES" : "no");
    if (!row.failure.empty()) std::printf("  FAILED: %s\n", row.failure.c_str());
    if (!rose) std::printf("  FAILED: the token did not rise\n");
  }
  if (!verdict.violations.empty()) {
    held = false;
    std::fputs(verdict.text().c_str(), stdout);
  }
  std::printf("%s\n", held ? "Every row holds." : "Not every row holds.");
  return held ? 0 : 1;
}

/// One line per replica, rewritten in place on a terminal.
int show(Stage& stage) {
  const auto& first = stage.replicas().front()->address();
  std::printf(
      "Try, in another terminal:\n"
      "  curl -i %s/leader\n"
      "  curl -X POST -H 'Baton-Control: 1' '%s/resign?drained=true&wait=10s'\n"
      "  curl -N '%s/leader/events'\n"
      "Ctrl-C ends everything.\n\n%-11s %-22s %-8s %-11s %12s %10s  %s\n",
      first.c_str(), first.c_str(), first.c_str(), "replica", "local API", "pid", "state", "token",
      "valid for", "last change");
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const auto lines = stage.replicas().size();
  std::vector<std::string> revisions(lines);
  std::vector<std::int64_t> changed_ns(lines, test::boottime_ns());
  for (bool again = false;; again = true) {
    if (again && terminal) std::printf("\033[%zuA", lines);
    for (std::size_t i = 0; i < lines; ++i) {
      auto& replica = *stage.replicas()[i];
      const auto answer = replica.ask();
      const auto now = test::boottime_ns();
      const std::string seen = answer.revision + answer.state;
      if (seen != std::exchange(revisions[i], seen)) changed_ns[i] = now;
      std::printf("%-11s %-22s %-8d %-11s %12s %7.1f s  %.0f s ago\033[K\n", replica.name().c_str(),
                  replica.address().c_str(), replica.process().pid(), answer.state.c_str(),
                  answer.token.c_str(), static_cast<double>(answer.valid_for_ms) / 1e3,
                  static_cast<double>(now - changed_ns[i]) / 1e9);
    }
    std::fflush(stdout);
    test::wait_until([] { return false; }, std::chrono::milliseconds(500));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool once = argc == 3 && std::strcmp(argv[2], "--once") == 0;
  if (argc < 2 || (argc > 2 && !once)) {
    std::fprintf(stderr, "usage: baton-quickstart DIR [--once]\n");
    return 2;
  }
  Stage stage(argv[1], !once);
  const std::string error = stage.open();
  if (!error.empty()) {
    std::fprintf(stderr, "baton-quickstart: %s\n", error.c_str());
    return 1;
  }
  return once ? tour(stage) : show(stage);
}
