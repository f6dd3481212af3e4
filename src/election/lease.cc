#include "election/lease.h"

namespace baton::election {

const std::string& Lease::annotated(const std::string& key) const {
  static const std::string kNone;
  const auto found = annotations.find(key);
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
