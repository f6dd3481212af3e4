#include "cli/commands.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "cli/local_client.h"
#include "config/rules.h"
#include "kube/cluster.h"

namespace baton::cli {
namespace {

constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

const Option kLocalAddress = {"--local-address", "LIST",
                              "Where the sidecar's local API listens. Default: "
                              "$BATON_LOCAL_ADDRESS, else 127.0.0.1:4040,[::1]:4040."};
const Option kHolder = {"--name", "HOLDER",
                        "Which of the sidecar's holders speaks, if it names any."};

int fail(Shell& shell, int code, const std::string& what) {
  shell.err << "baton: " << what << "\n";
  return code;
}

bool asks_for_help(const std::string& argument) { return argument == "--help" || argument == "-h"; }

/// The command's own options come first, what is for the settings follows as words.
std::vector<std::string> with_settings_last(const std::vector<Option>& options,
                                            const std::vector<std::string>& arguments) {
  std::vector<std::string> own;
  std::vector<std::string> words = {"--"};
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    const std::string name = at->substr(0, at->find('='));
    const auto option = std::ranges::find(options, name, &Option::name);
    if (option == options.end()) {
      words.push_back(*at);
      continue;
    }
    own.push_back(*at);
    if (option->value.empty() || name != *at) continue;
    if (++at == arguments.end()) return own;  // which is refused: it lacks its value
    own.push_back(*at);
  }
  own.insert(own.end(), words.begin(), words.end());
  return own;
}

int run_command(const Command& command, const std::vector<std::string>& arguments, Shell& shell) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (std::any_of(arguments.begin(), separator, asks_for_help)) {
    return run_command(*find_command("help"), {command.name}, shell);
  }
  const auto parsed = Arguments::parse(
      command.options, command.most_words,
      command.takes_settings ? with_settings_last(command.options, arguments) : arguments);
  if (!parsed) {
    return fail(shell, kUsage,
                command.name + ": " + parsed.error() + " (baton help " + command.name + ")");
  }
  Call call{command.name, *parsed, shell, nullptr};
  if (command.options.empty() || !command.options[0].name.ends_with("-address")) {
    return command.run(call);
  }
  auto client = LocalClient::make(command.options[0].name.substr(2), *parsed, shell.environment);
  if (!client) return call.fail(kUsage, client.error());
  call.client = &*client;
  return command.run(call);
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {.name = "run",
       .usage = "[SETTINGS]",
       .summary = "Run the sidecar. The default where the first word is a flag.",
       .exit_codes = "0 after an orderly end, 2 if the configuration is wrong or cannot work here",
       .most_words = kAnyNumber,
       .takes_settings = true,
       .run = run_run},
      {.name = "probe",
       .usage = "live|ready|started|leader",
       .summary = "Ask the sidecar's probes; for exec probes.",
       .exit_codes = "0 yes, 1 no or no answer within 1s",
       .options = {{"--probe-address", "LIST",
                    "Where the sidecar's probes listen. Default: $BATON_PROBE_ADDRESS, else "
                    "127.0.0.1:4041 and [::1]:4041."}},
       .most_words = 1,
       .run = run_probe},
      {.name = "resign",
       .summary = "Stop leading; prints the state reached.",
       .exit_codes =
           "0 resigned (with --wait: released), 1 refused, not released in time, or no answer",
       .options = {kLocalAddress,
                   kHolder,
                   {"--drained", "", "The work has already ended: release at once."},
                   {"--wait", "[=DURATION]",
                    "Wait until released, at most that long (30s; 5m is the most)."},
                   {"--announce", "",
                    "Only say that the end is near: answers turn to no, nothing is released, and "
                    "it expires by itself after the grace period."}},
       .run = run_resign},
      {.name = "drained",
       .summary = "Say that the work of a term has ended, so that it is released now.",
       .exit_codes = "0 accepted, or no term runs here; 1 another term, refused, or no answer",
       .options = {kLocalAddress,
                   kHolder,
                   {"--term", "ID", "The term. Default: $BATON_TERM_ID, else the one that runs."}},
       .run = run_drained},
      {.name = "status",
       .summary = "Show the election as this sidecar sees it.",
       .exit_codes = "0 shown, 1 no answer",
       .options = {kLocalAddress,
                   {"--watch", "", "Show it again after every change, until the sidecar ends."},
                   {"--json", "", "The status document itself, one line each."}},
       .run = run_status},
      {.name = "token",
       .summary = "Print the fencing token, only while this Pod leads.",
       .exit_codes = "0 printed, 1 not leading or no answer",
       .options = {kLocalAddress},
       .run = run_token},
      {.name = "wait",
       .summary = "Wait until this Pod leads; prints the leading Pod's name.",
       .exit_codes = "0 so it is, 1 not within the time-out",
       .options = {kLocalAddress,
                   {"--leader", "", "Wait until any leader is known."},
                   {"--timeout", "DURATION", "How long at most. Default: for ever."}},
       .run = run_wait},
      {.name = "exec",
       .usage = "-- COMMAND [ARGUMENT...]",
       .summary =
           "Run a command while this Pod leads, with BATON_FENCING_TOKEN and BATON_TERM_ID in its "
           "environment. Its process group gets SIGTERM when the leadership is lost, or when a "
           "sixth of the renew deadline is left and nothing has renewed it; SIGKILL when a 24th is "
           "left. Then baton waits to lead again. When the command ends by itself, what is left of "
           "its group is killed and baton resigns. Signals to baton are forwarded.",
       .exit_codes = "the command's own, or 128 + the signal that ended it; 1 if it cannot be "
                     "started, 2 for wrong usage",
       .options = {kLocalAddress, kHolder},
       .most_words = kAnyNumber,
       .run = run_exec},
      {.name = "fence",
       .summary =
           "Run a gateway before an HTTP service that cannot check fencing tokens: it refuses "
           "requests with a token below the highest that it has seen. See docs/fencing.md.",
       .exit_codes = "0 after an orderly end, or initialised; 1 cannot be initialised; 2 wrong "
                     "usage, or the state file is missing, damaged or in use",
       .options =
           {{"--scopes", "LIST", "The elections whose tokens it takes, as NAMESPACE/NAME."},
            {"--state", "FILE",
             "Where the highest tokens are kept, on a volume that outlives the process."},
            {"--upstream", "URL",
             "The service, as http://127.0.0.1:8081 or https://ledger.shop.svc:8443."},
            {"--upstream-ca", "FILE",
             "The CA, in PEM, that signs the certificate of an https service. Read again for each "
             "connection."},
            {"--upstream-server-name", "NAME",
             "The name that the certificate must be for. Default: the host of --upstream."},
            {"--listen", "LIST", "Where it listens for the service's clients. Default: :8080."},
            {"--probe-address", "LIST",
             "Where /livez, /readyz and /metrics are. Default: :4041; off: nowhere."},
            {"--drain", "DURATION",
             "How long requests with lower tokens may go on when a higher one has come, before "
             "they are cut off. Default: 5s."},
            {"--upstream-timeout", "DURATION",
             "How long the service may take for an answer. Default: 30s."},
            {"--max-jump", "N",
             "Refuse a token that is more than N above the highest: it would lock the scope for "
             "all that come after. Default: 1000000000000, as far as POST /token/advance goes."},
            {"--initialise", "[=TOKEN]",
             "Create the state file, or the scopes that it lacks, at TOKEN (0), and end. Once: "
             "everything from TOKEN on is let in afterwards."}},
       .run = run_fence},
      {.name = "check",
       .usage = "[SETTINGS]",
       .summary =
           "Preflight: configuration, API server, TLS, rights, Pod, clock and measured latency, "
           "one line each.",
       .exit_codes = "0 all is well, 1 something failed, 2 the configuration is wrong; with "
                     "--measure 128 + the signal that ended it",
       .options = {{"--measure", "DURATION",
                    "Then measure for so long, 1s to 1h, how this API server answers, by ten "
                    "writes a second to the Lease ELECTION-measure, and print the smallest safe "
                    "timings. See docs/tuning.md."}},
       .most_words = kAnyNumber,
       .takes_settings = true,
       .run = run_check},
      {.name = "replay",
       .usage = "FILE...",
       .summary = "Run the election's core over what baton run --record has kept, and print each "
                  "decision with its rule.",
       .exit_codes = "0 replayed, 1 this baton decides otherwise than the one that recorded it, 2 "
                     "no recording, or a damaged, changed or torn one",
       .options =
           {{"--svg", "OUT",
             "Draw all of them on one time axis into the file OUT instead. Recordings of one "
             "host share their clock, others are aligned by the wall clocks."},
            {"--last", "DURATION", "Print and draw only the last of it."}},
       .most_words = kAnyNumber,
       .run = run_replay},
      {.name = "install",
       .usage = "PATH",
       .summary = "Copy this program to PATH (or into the directory PATH), atomically.",
       .exit_codes = "0 copied, 1 failed",
       .most_words = 1,
       .run = run_install},
      {.name = "version", .summary = "Print the version.", .exit_codes = "0", .run = run_version},
      {.name = "help",
       .usage = "[COMMAND]",
       .summary = "Explain a command and its options.",
       .exit_codes = "0, 2 if there is no such command",
       .most_words = 1,
       .run = run_help},
      {.name = "reference",
       .summary = "Print docs/reference.md.",
       .exit_codes = "0",
       .hidden = true,
       .run = run_reference},
  };
  return table;
}

const Command* find_command(std::string_view name) {
  const auto found = std::ranges::find(commands(), name, &Command::name);
  return found == commands().end() ? nullptr : &*found;
}

std::string Call::word(std::size_t index) const {
  return index < arguments.words().size() ? arguments.words()[index] : "";
}

int Call::fail(int code, const std::string& what) const {
  return cli::fail(shell, code, name + ": " + what);
}

int dispatch(const std::vector<std::string>& arguments, Shell& shell) {
  std::string name = arguments.empty() ? "--" : arguments[0];
  if (asks_for_help(name)) return run_command(*find_command("help"), {}, shell);
  if (name == "--version") return run_command(*find_command("version"), {}, shell);
  if (name.starts_with("-")) return run_command(*find_command("run"), arguments, shell);
  if (const Command* command = find_command(name)) {
    return run_command(*command, {arguments.begin() + 1, arguments.end()}, shell);
  }
  return fail(shell, kUsage,
              "\"" + printable(name) + "\": no such command" +
                  config::suggestion(name, commands(), &Command::name, "; see baton help"));
}

config::Loaded load_settings(const Call& call) {
  config::Loaded loaded = config::load(call.arguments.words(), call.shell.environment);
  const auto& [settings, errors] = loaded;
  if (errors.empty() || (settings.kubeconfig.empty() && settings.context.empty())) return loaded;
  const auto cluster = kube::find_cluster(settings.kubeconfig, settings.context);
  if (cluster.ok()) return loaded;
  for (std::string& line : lines_of(cluster.error())) loaded.errors.push_back(std::move(line));
  return loaded;
}

int run_run(const Call& call) {
  const config::Loaded loaded = load_settings(call);
  for (const std::string& error : loaded.errors) fail(call.shell, kUsage, error);
  return loaded.errors.empty() ? call.shell.run_sidecar(loaded.settings) : kUsage;
}

int run_version(const Call& call) {
  call.shell.out << "baton " << BATON_VERSION << "\n";
  return kOk;
}

}  // namespace baton::cli
