#include "cli/commands.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "config/rules.h"

namespace baton::cli {
namespace {

constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

constexpr Option kLocalAddress = {
    "--local-address", "LIST",
    "Where the sidecar's local API listens. Default: $BATON_LOCAL_ADDRESS, else "
    "127.0.0.1:4040,[::1]:4040."};
constexpr Option kHolder = {"--name", "HOLDER",
                            "Which of the sidecar's holders speaks, if it names any."};

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"run",
       "[SETTINGS]",
       "Run the sidecar. The default where the first word is a flag.",
       "0 after an orderly end, 2 if the configuration is wrong or cannot work here",
       {},
       kAnyNumber,
       true,
       false,
       run_run},
      {"probe",
       "live|ready|started|leader",
       "Ask the sidecar's probes; for exec probes.",
       "0 yes, 1 no or no answer within 1s",
       {{"--probe-address", "LIST",
         "Where the sidecar's probes listen. Default: $BATON_PROBE_ADDRESS, else 127.0.0.1:4041 "
         "and "
         "[::1]:4041."}},
       1,
       false,
       false,
       run_probe},
      {"resign",
       "",
       "Stop leading; prints the state reached.",
       "0 resigned (with --wait: released), 1 refused, not released in time, or no answer",
       {kLocalAddress,
        kHolder,
        {"--drained", "", "The work has already ended: release at once."},
        {"--wait", "[=DURATION]", "Wait until released, at most that long (30s; 5m is the most)."},
        {"--announce", "",
         "Only say that the end is near: answers turn to no, nothing is released, and it expires "
         "by "
         "itself after the grace period."}},
       0,
       false,
       false,
       run_resign},
      {"drained",
       "",
       "Say that the work of a term has ended, so that it is released now.",
       "0 accepted, or no term runs here; 1 another term, refused, or no answer",
       {kLocalAddress,
        kHolder,
        {"--term", "ID", "The term. Default: $BATON_TERM_ID, else the one that runs."}},
       0,
       false,
       false,
       run_drained},
      {"status",
       "",
       "Show the election as this sidecar sees it.",
       "0 shown, 1 no answer",
       {kLocalAddress,
        {"--watch", "", "Show it again after every change, until the sidecar ends."},
        {"--json", "", "The status document itself, one line each."}},
       0,
       false,
       false,
       run_status},
      {"token",
       "",
       "Print the fencing token, only while this Pod leads.",
       "0 printed, 1 not leading or no answer",
       {kLocalAddress},
       0,
       false,
       false,
       run_token},
      {"wait",
       "",
       "Wait until this Pod leads; prints the leading Pod's name.",
       "0 so it is, 1 not within the time-out",
       {kLocalAddress,
        {"--leader", "", "Wait until any leader is known."},
        {"--timeout", "DURATION", "How long at most. Default: for ever."}},
       0,
       false,
       false,
       run_wait},
      {"exec",
       "-- COMMAND [ARGUMENT...]",
       "Run a command while this Pod leads, with BATON_FENCING_TOKEN and BATON_TERM_ID in its "
       "environment. Its process group gets SIGTERM when the leadership is lost, or when a sixth "
       "of "
       "the renew deadline is left and nothing has renewed it; SIGKILL when a 24th is left. Then "
       "baton waits to lead again. When the command ends by itself, what is left of its group is "
       "killed and baton resigns. Signals to baton are forwarded.",
       "the command's own, or 128 + the signal that ended it; 1 if it cannot be started, 2 for "
       "wrong "
       "usage",
       {kLocalAddress, kHolder},
       kAnyNumber,
       false,
       false,
       run_exec},
      {"check",
       "[SETTINGS]",
       "Preflight: configuration, API server, TLS, rights, clock and measured latency, one line "
       "each.",
       "0 all is well, 1 something failed, 2 the configuration is wrong",
       {},
       kAnyNumber,
       true,
       false,
       run_check},
      {"install",
       "PATH",
       "Copy this program to PATH (or into the directory PATH), atomically.",
       "0 copied, 1 failed",
       {},
       1,
       false,
       false,
       run_install},
      {"version", "", "Print the version.", "0", {}, 0, false, false, run_version},
      {"help",
       "[COMMAND]",
       "Explain a command and its options.",
       "0, 2 if there is no such command",
       {},
       1,
       false,
       false,
       run_help},
      {"reference", "", "Print docs/reference.md.", "0", {}, 0, false, true, run_reference},
  };
  return table;
}

const Command* find_command(std::string_view name) {
  const auto& table = commands();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Command& command) { return command.name == name; });
  return found == table.end() ? nullptr : &*found;
}

int fail(Shell& shell, int code, const std::string& what) {
  shell.err << "baton: " << what << "\n";
  return code;
}

namespace {

bool asks_for_help(const std::string& argument) { return argument == "--help" || argument == "-h"; }

int run_command(const Command& command, const std::vector<std::string>& arguments, Shell& shell) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (std::any_of(arguments.begin(), separator, asks_for_help)) {
    const auto topic = Arguments::parse({}, 1, {std::string(command.name)});
    return run_help(*topic, shell);
  }
  std::vector<std::string> given = arguments;
  if (command.takes_settings) given.insert(given.begin(), "--");
  const auto parsed = Arguments::parse(command.options, command.most_words, given);
  if (!parsed) {
    return fail(shell, kUsage,
                std::string(command.name) + ": " + parsed.error() + " (baton help " +
                    std::string(command.name) + ")");
  }
  return command.run(*parsed, shell);
}

}  // namespace

int dispatch(const std::vector<std::string>& arguments, Shell& shell) {
  if (!arguments.empty() && asks_for_help(arguments[0]))
    return run_command(*find_command("help"), {}, shell);
  if (!arguments.empty() && arguments[0] == "--version")
    return run_command(*find_command("version"), {}, shell);
  if (arguments.empty() || arguments[0].starts_with("-")) {
    return run_command(*find_command("run"), arguments, shell);
  }
  const Command* command = find_command(arguments[0]);
  if (command == nullptr) {
    std::vector<std::string_view> known;
    for (const Command& each : commands()) known.push_back(each.name);
    const std::string close = config::nearest(arguments[0], known);
    return fail(shell, kUsage,
                "\"" + printable(arguments[0]) + "\": no such command; " +
                    (close.empty() ? "see baton help" : "did you mean " + close + "?"));
  }
  return run_command(*command, {arguments.begin() + 1, arguments.end()}, shell);
}

}  // namespace baton::cli
