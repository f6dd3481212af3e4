#include "cli/commands.h"

namespace baton::cli {

int run_run(const Arguments& arguments, Shell& shell) {
  const config::Loaded loaded = config::load(arguments.words(), shell.environment);
  for (const std::string& error : loaded.errors) fail(shell, kUsage, error);
  return loaded.errors.empty() ? shell.run_sidecar(loaded.settings) : kUsage;
}

}  // namespace baton::cli
