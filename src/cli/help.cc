// Help texts and the reference page, both made from the tables of commands and settings.
#include <boost/algorithm/string/replace.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "config/table.h"

namespace baton::cli {
namespace {

constexpr std::size_t kHelpColumns = 100;

constexpr char kSettingsPage[] = R"(# Reference

This page is printed by `baton reference` from the tables in the source; do not edit it. Metrics and
alerts: [metrics](metrics.md). The HTTP API: [api](api.md).

## Settings of `baton run` and `baton check`

Each key can be given as a flag (`--lease-duration 15s` or `--lease-duration=15s`), as a variable
(`BATON_LEASE_DURATION=15s`) and in a YAML file (`lease-duration: 15s`; lists may be YAML sequences)
named by `--config` or `BATON_CONFIG`. Flags win over variables, variables over the file, the file
over the profile and the defaults. An empty variable counts as not set. A switch may stand bare:
`--events` is `--events=true`.

Unknown keys and bad values are errors: all of them are printed at once, one line each with the key,
its origin, the value, the rule and the mend, and the exit code is 2. Variables that begin with
`BATON_` and name no setting are errors too, except those that Kubernetes sets for a Service named
`baton` or `baton-...` (`BATON_SERVICE_HOST`, `BATON_SERVICE_PORT`, `BATON_SERVICE_PORT_<NAME>`,
`BATON_PORT=tcp://...`, `BATON_PORT_<N>_TCP` and its `_PROTO`, `_PORT`, `_ADDR`) and those that
`baton exec` sets for its child (`BATON_FENCING_TOKEN`, `BATON_TERM_ID`).

An address is `127.0.0.1:4040`, `[::1]:4040`, `localhost:4040` (both loopbacks), `:4041` (every
address), `unix:/path`, or several of these with commas between; `off` turns the listener off. One
port serves one listener. A duration is `1500ms`, `90s` or `1m30s`; units are `us` to `h`.

)";
constexpr char kLegacyPage[] = R"(
Every timing lies above zero and at most at one hour, and: D in whole seconds; `5 V <= 4 D`, so that
clocks whose rates differ by 10 % each way cannot make two leaders; `h + 3 R + 2 retry-max < V`, so
that three attempts to renew fit even if each hangs; `retry-min <= retry-max`.

### Flags of the retired leader-elector

`--election`, `--kubeconfig` and these work as they did there; they too have a variable and a YAML
key.

)";
constexpr char kCommandsPage[] = R"(
`--ttl=T` stands for D = T, V = 0.8 T, h = T/4, R = T/8, retry-max = T/20.

## Commands

Answers go to standard output, errors to standard error in one line. Exit codes: 0 done or yes, 1
no, refused or no answer, 2 wrong usage or configuration.
)";

/// `text` in lines of kHelpColumns, each after `indent` spaces.
void wrap(std::ostream& out, std::string_view text, std::size_t indent) {
  const std::size_t room = kHelpColumns - indent;
  while (text.size() > room) {
    const auto space = text.rfind(' ', room);
    if (space == text.npos) break;
    out << std::string(indent, ' ') << text.substr(0, space) << "\n";
    text.remove_prefix(space + 1);
  }
  out << std::string(indent, ' ') << text << "\n";
}

std::string form_of(const Option& option) {
  const bool is_apart = !option.value.empty() && !option.value.starts_with("[");
  return option.name + (is_apart ? " " : "") + option.value;
}

std::string form_of(const Command& command) {
  return "baton " + command.name + (command.usage.empty() ? "" : " ") + command.usage;
}

void explain_settings(std::ostream& out, bool legacy) {
  for (const config::Setting& setting : config::settings_table()) {
    if (setting.legacy != legacy) continue;
    out << "  --" << setting.key << (setting.value.empty() ? "" : " ") << setting.value << "\n";
    const std::string standard =
        setting.standard.empty() ? "" : " Default: " + setting.standard + ".";
    wrap(out, setting.help + standard, 6);
  }
}

void explain(std::ostream& out, const Command& command) {
  out << form_of(command) << (command.options.empty() ? "" : " [OPTIONS]") << "\n\n";
  wrap(out, command.summary, 2);
  if (!command.options.empty()) out << "\n";
  for (const Option& option : command.options) {
    out << "  " << form_of(option) << "\n";
    wrap(out, option.help, 6);
  }
  if (command.takes_settings) {
    out << "\nSettings, as a flag, as a variable (BATON_LEASE_DURATION for --lease-duration), or "
           "as a key of the YAML file named by --config:\n";
    explain_settings(out, false);
    out << "\nFlags of the retired leader-elector:\n";
    explain_settings(out, true);
  }
  out << "\nExit code: " << command.exit_codes << ".\n";
}

void settings_rows(std::ostream& out, bool legacy) {
  const auto cell = [](const std::string& text) {
    return boost::algorithm::replace_all_copy(text, "|", "\\|");
  };
  out << "| Key | Value | Default | What it does |\n|---|---|---|---|\n";
  for (const config::Setting& setting : config::settings_table()) {
    if (setting.legacy != legacy) continue;
    const std::string standard = setting.standard.empty() ? "" : "`" + setting.standard + "`";
    out << "| `" << setting.key << "` | " << cell(setting.rule) << " | " << standard << " | "
        << cell(setting.help) << " |\n";
  }
}

void timings_rows(std::ostream& out) {
  out << "\n### Timings\n\n| Profile | `lease-duration` D | `renew-deadline` V | `renew-period` h "
         "| "
         "`request-timeout` R | `retry-min` | `retry-max` |\n|---|---|---|---|---|---|---|\n";
  for (const auto& [name, timings] : config::profiles()) {
    out << "| `" << name << "`";
    for (const auto duration :
         {timings.lease_duration, timings.renew_deadline, timings.renew_period,
          timings.request_timeout, timings.retry_min, timings.retry_max}) {
      out << " | " << format_duration(duration);
    }
    out << " |\n";
  }
}

void command_section(std::ostream& out, const Command& command) {
  out << "\n### `" << form_of(command) << "`\n\n" << command.summary << "\n\n";
  for (const Option& option : command.options) {
    out << "- `" << form_of(option) << "`: " << option.help << "\n";
  }
  out << (command.options.empty() ? "" : "\n") << "Exit code: " << command.exit_codes << ".\n";
}

}  // namespace

int run_help(const Call& call) {
  std::ostream& out = call.shell.out;
  if (!call.arguments.words().empty()) {
    const std::string name = call.word(0);
    const Command* command = find_command(name);
    if (command == nullptr) {
      return call.fail(kUsage, "\"" + printable(name) + "\": no such command; see baton help");
    }
    explain(out, *command);
    return kOk;
  }
  out << "baton elects one Pod of a workload as the leader.\n\nbaton [COMMAND] [OPTIONS]\n\n";
  for (const Command& command : commands()) {
    if (command.hidden) continue;
    out << "  " << command.name << "\n";
    wrap(out, command.summary, 6);
  }
  out << "\nbaton help COMMAND explains one.\n";
  return kOk;
}

int run_reference(const Call& call) {
  std::ostream& out = call.shell.out;
  out << kSettingsPage;
  settings_rows(out, false);
  timings_rows(out);
  out << kLegacyPage;
  settings_rows(out, true);
  out << kCommandsPage;
  for (const Command& command : commands()) {
    if (!command.hidden) command_section(out, command);
  }
  return kOk;
}

}  // namespace baton::cli
