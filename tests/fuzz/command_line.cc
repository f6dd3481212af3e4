// The command lines of all commands, a word a line; nothing is run.
#include "cli/commands.h"
#include "cli/local_client.h"
#include "fuzz/target.h"

namespace baton::fuzz {

BATON_FUZZ_TARGET(command_line) {
  Choices choices(input);
  const cli::Command* command = cli::find_command(choices.line());
  if (command == nullptr) return;
  std::vector<std::string> words;
  while (!choices.empty()) words.emplace_back(choices.line());
  if (command->takes_settings) words.insert(words.begin(), "--");
  const auto arguments = cli::Arguments::parse(command->options, command->most_words, words);
  if (!arguments.ok()) return require_one_line(arguments.error());
  require(arguments->words().size() <= command->most_words, "there are not too many words");
  for (const cli::Option& option : command->options) {
    const auto duration = arguments->duration(option.name, Duration(1));
    if (!duration.ok()) require_one_line(duration.error());
    if (!option.name.ends_with("-address")) continue;
    const auto client = cli::LocalClient::make(option.name.substr(2), *arguments, {});
    if (!client.ok()) require_one_line(client.error());
  }
}

}  // namespace baton::fuzz
