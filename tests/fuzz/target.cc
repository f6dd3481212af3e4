#include "fuzz/target.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace baton::fuzz {

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

bool add_target(const char* name, void (*run)(std::string_view input)) {
  targets().push_back({name, run});
  return true;
}

void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

void require_one_line(const std::string& error) {
  require(!error.empty(), "an error says something");
  if (printable(error, error.size()) != error) {
    require(false, "an error is one line of printable text: " + printable(error, 2000));
  }
}

std::uint64_t Choices::pick(std::uint64_t below) {
  std::uint64_t value = 0;
  for (std::uint64_t reach = 1; reach < below; reach <<= 8) {
    value <<= 8;
    if (bytes_.empty()) continue;
    value |= static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
  }
  return below == 0 ? 0 : value % below;
}

std::string_view Choices::line() {
  const std::string_view line = bytes_.substr(0, bytes_.find('\n'));
  bytes_.remove_prefix(std::min(bytes_.size(), line.size() + 1));
  return line;
}

}  // namespace baton::fuzz
