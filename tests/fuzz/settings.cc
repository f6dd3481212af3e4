// The settings: lines "--flag…" and "BATON_KEY=value", and after a line "---" the YAML file.
#include "config/load.h"
#include "config/rules.h"
#include "election/lease.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"

namespace baton::fuzz {

BATON_FUZZ_TARGET(settings) {
  static const Folder folder;
  Choices choices(input);
  std::vector<std::string> arguments;
  config::Environment environment;
  while (!choices.empty()) {
    const std::string line(choices.line());
    if (line == "---") {
      arguments.push_back("--config=" + folder.write("settings.yaml", choices.rest()));
      break;
    }
    const auto equals = line.find('=');
    if (line.starts_with("BATON_") && equals != std::string::npos) {
      environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    } else {
      arguments.push_back(line);
    }
  }
  const config::Loaded loaded = config::load(arguments, environment);
  for (const std::string& error : loaded.errors) require_one_line(error);
  if (!loaded.errors.empty()) return;
  const config::Settings& settings = loaded.settings;
  require(config::check_dns_subdomain(settings.election).empty(), "the election has a name");
  require(election::check_timings(settings.timings).empty(), "the timings obey R3 and R15");
  require(settings.replicas >= 1, "there is a replica");
  require(settings.token_floor >= 0 && settings.token_floor <= election::kMaxToken,
          "an accepted token is in 1..10^18-1");
}

}  // namespace baton::fuzz
