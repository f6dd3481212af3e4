#include "cli/arguments.h"

#include <algorithm>

#include "base/text.h"
#include "config/rules.h"

namespace baton::cli {
namespace {

Error unknown(const std::string& name, const std::vector<Option>& options) {
  std::vector<std::string_view> known;
  known.reserve(options.size());
  for (const Option& option : options) known.push_back(option.name);
  const std::string close = config::nearest(name, known);
  return Error{printable(name) + ": no such option" +
               (close.empty() ? "" : "; did you mean " + close + "?")};
}

}  // namespace

Result<Arguments> Arguments::parse(const std::vector<Option>& options, std::size_t most_words,
                                   const std::vector<std::string>& arguments) {
  Arguments parsed;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    if (argument == "--") {
      parsed.words_.insert(parsed.words_.end(), arguments.begin() + static_cast<long>(at) + 1,
                           arguments.end());
      break;
    }
    if (!argument.starts_with("-") || argument == "-") {
      parsed.words_.push_back(argument);
      continue;
    }
    const auto equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const auto option = std::find_if(options.begin(), options.end(),
                                     [&](const Option& each) { return each.name == name; });
    if (option == options.end()) return unknown(name, options);
    std::string value;
    if (equals != argument.npos) {
      if (option->value.empty()) return Error{name + ": takes no value; leave it out"};
      value = argument.substr(equals + 1);
    } else if (!option->value.empty() && !option->value.starts_with("[")) {
      if (++at == arguments.size()) {
        return Error{name + ": needs a value, " + std::string(option->value)};
      }
      value = arguments[at];
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

std::string Arguments::get(std::string_view option, std::string_view otherwise) const {
  const auto found = values_.find(option);
  return found == values_.end() || found->second.empty() ? std::string(otherwise) : found->second;
}

Result<election::Duration> duration_option(const Arguments& arguments, std::string_view option,
                                           election::Duration otherwise) {
  const std::string text = arguments.get(option);
  if (text.empty()) return otherwise;
  auto duration =
      config::duration_between(text, election::Duration(0), std::chrono::hours(24), false);
  if (!duration) {
    return Error{std::string(option) + ": \"" + printable(text) + "\": " + duration.error()};
  }
  return *duration;
}

}  // namespace baton::cli
