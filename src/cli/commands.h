// The table of commands: dispatch, help and the reference page are made from it.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "config/load.h"

namespace baton::cli {

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

struct Command {
  std::string_view name;
  std::string_view usage;  // what follows the name, besides options
  std::string_view summary;
  std::string_view exit_codes;
  std::vector<Option> options;
  std::size_t most_words = 0;
  bool takes_settings = false;  // its arguments are the settings' flags, given to `run` as words
  bool hidden = false;
  int (*run)(const Arguments& arguments, Shell& shell) = nullptr;
};

const std::vector<Command>& commands();
const Command* find_command(std::string_view name);

/// Runs the command that `arguments` (without the program's name) names: `run` if the first is a
/// flag or there is none. Returns the exit code.
int dispatch(const std::vector<std::string>& arguments, Shell& shell);

/// One line on shell.err, "baton: " before it. Returns `code`.
int fail(Shell& shell, int code, const std::string& what);

// One function per command, each in the file of its name.
int run_run(const Arguments& arguments, Shell& shell);
int run_probe(const Arguments& arguments, Shell& shell);
int run_resign(const Arguments& arguments, Shell& shell);
int run_drained(const Arguments& arguments, Shell& shell);
int run_status(const Arguments& arguments, Shell& shell);
int run_token(const Arguments& arguments, Shell& shell);
int run_wait(const Arguments& arguments, Shell& shell);
int run_exec(const Arguments& arguments, Shell& shell);
int run_check(const Arguments& arguments, Shell& shell);
int run_install(const Arguments& arguments, Shell& shell);
int run_version(const Arguments& arguments, Shell& shell);
int run_help(const Arguments& arguments, Shell& shell);
int run_reference(const Arguments& arguments, Shell& shell);

}  // namespace baton::cli
