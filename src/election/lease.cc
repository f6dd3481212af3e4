#include "election/lease.h"

#include <algorithm>

namespace baton::election {

// A dozen at most: looking at each is quicker than building a string to search for.
const std::string& Lease::annotated(std::string_view key) const {
  static const std::string kNone;
  const auto found = std::find_if(annotations.begin(), annotations.end(),
                                  [&](const auto& item) { return item.first == key; });
  return found == annotations.end() ? kNone : found->second;
}

const char* to_string(WriteKind kind) {
  switch (kind) {
    case WriteKind::create: return "create";
    case WriteKind::acquire: return "acquire";
    case WriteKind::renew: return "renew";
    case WriteKind::release: return "release";
  }
  return "";
}

}  // namespace baton::election
