// The table of commands: dispatch, help and the reference page are made from it.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "config/load.h"

namespace baton::cli {

class LocalClient;

inline constexpr int kOk = 0;      // done, or yes
inline constexpr int kFailed = 1;  // no, refused, or no answer
inline constexpr int kUsage = 2;   // the command line or the configuration is wrong

/// What a command may touch of its process. Answers go to `out`, errors to `err`, one line each.
struct Shell {
  std::ostream& out;
  std::ostream& err;
  config::Environment environment;                        // BATON_* only
  int (*run_sidecar)(const config::Settings&) = nullptr;  // what `run` runs
};

/// One command as it was given.
struct Call {
  const std::string& name;
  const Arguments& arguments;
  Shell& shell;
  LocalClient* client;  // never null for commands that have one of the addresses as an option

  /// The word at `index`, "" if there are fewer.
  std::string word(std::size_t index) const;
  /// One line on shell.err, "baton: NAME: " before it. Returns `code`.
  int fail(int code, const std::string& what) const;
};

/// The settings of `run` and `check`. Where one is wrong the kubeconfig that they name is read too,
/// so that everything that is wrong is told at once.
config::Loaded load_settings(const Call& call);

using CommandFunction = int(const Call& call);
CommandFunction run_check, run_drained, run_exec, run_fence, run_help, run_install, run_probe,
    run_reference, run_replay, run_resign, run_run, run_status, run_token, run_version, run_wait;

struct Command {
  std::string name;
  std::string usage = "";  // what follows the name, besides options
  std::string summary;
  std::string exit_codes;
  std::vector<Option> options = {};  // first the address of the sidecar, if the command asks it
  std::size_t most_words = 0;
  bool takes_settings = false;  // the settings' flags too, which are given to it as words
  bool hidden = false;
  CommandFunction* run;
};

const std::vector<Command>& commands();
const Command* find_command(std::string_view name);

/// Runs the command that `arguments` (without the program's name) names: `run` if the first is a
/// flag or there is none. Returns the exit code.
int dispatch(const std::vector<std::string>& arguments, Shell& shell);

}  // namespace baton::cli
