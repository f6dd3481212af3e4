#include "cli/arguments.h"

#include <algorithm>

#include "base/text.h"
#include "config/rules.h"

namespace baton::cli {

Result<Arguments> Arguments::parse(const std::vector<Option>& options, std::size_t most_words,
                                   const std::vector<std::string>& arguments) {
  Arguments parsed;
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    if (*at == "--") {
      parsed.words_.insert(parsed.words_.end(), at + 1, arguments.end());
      break;
    }
    if (!at->starts_with("-") || *at == "-") {
      parsed.words_.push_back(*at);
      continue;
    }
    const auto equals = at->find('=');
    const std::string name = at->substr(0, equals);
    const auto option = std::ranges::find(options, name, &Option::name);
    if (option == options.end()) {
      return Error{printable(name) + ": no such option" +
                   config::suggestion(name, options, &Option::name, "")};
    }
    std::string value;
    if (equals != at->npos) {
      if (option->value.empty()) return Error{name + ": takes no value; leave it out"};
      value = at->substr(equals + 1);
    } else if (!option->value.empty() && !option->value.starts_with("[")) {
      if (++at == arguments.end()) return Error{name + ": needs a value, " + option->value};
      value = *at;
    }
    if (!parsed.values_.emplace(name, value).second) {
      return Error{name + ": is given twice; remove one"};
    }
  }
  if (parsed.words_.size() > most_words) {
    return Error{"\"" + printable(parsed.words_[most_words]) + "\": one word too many; remove it"};
  }
  return parsed;
}

std::string Arguments::get(std::string_view option) const {
  const auto found = values_.find(option);
  return found == values_.end() ? "" : found->second;
}

Result<Duration> Arguments::duration(const std::string& option, Duration otherwise) const {
  const std::string text = get(option);
  if (text.empty()) return otherwise;
  auto duration = config::duration_between(text, Duration(0), std::chrono::hours(24));
  if (duration) return duration;
  return Error{option + ": \"" + printable(text) + "\": " + duration.error()};
}

}  // namespace baton::cli
