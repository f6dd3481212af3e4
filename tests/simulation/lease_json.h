// The Lease as the rules see it, from the one that the store keeps: by the codec that ships. (The
// text in between is left out on this way; on the other one, every write goes through it.)
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>

#include "devserver/store.h"
#include "election/lease.h"

namespace baton::simulation {

using LeaseView = std::shared_ptr<const election::Lease>;

inline const devserver::Key kLeaseKey{"leases", "default", "demo"};

class LeaseJson {
 public:
  /// Each stored version is decoded once.
  LeaseView decode(const devserver::Object& object);

 private:
  struct Decoded {
    devserver::Object object;  // keeps the address taken
    LeaseView view;
  };
  std::unordered_map<const nlohmann::json*, Decoded> decoded_;
};

}  // namespace baton::simulation
