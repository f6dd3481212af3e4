// The command line of one command, taken apart by the command's table of options.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace baton::cli {

struct Option {
  std::string name;   // "--name"
  std::string value;  // what stands for the value in help; "" for a switch; "[=D]": may be left
                      // out, and is given with '=' only
  std::string help;
};

class Arguments {
 public:
  /// Unknown options, a missing value, an option given twice, too many words: an error in one line.
  /// Everything after "--" is a word.
  static Result<Arguments> parse(const std::vector<Option>& options, std::size_t most_words,
                                 const std::vector<std::string>& arguments);

  bool has(std::string_view option) const { return values_.find(option) != values_.end(); }
  /// "" if the option was not given, or given without a value.
  std::string get(std::string_view option) const;
  /// The same, of an option that is a duration. Above 24 h or not well formed: an error.
  Result<Duration> duration(const std::string& option, Duration otherwise) const;
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::string> words_;
};

}  // namespace baton::cli
