// Between the Lease as the store keeps it and as the rules see it: the codec that ships.
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
  /// The body of the PUT; `now_micro` stands for the wall clock.
  nlohmann::json encode(const election::LeaseWrite& write, const std::string& now_micro) const;

 private:
  struct Decoded {
    devserver::Object object;  // keeps the address taken
    LeaseView view;
  };
  std::unordered_map<const nlohmann::json*, Decoded> decoded_;
};

}  // namespace baton::simulation
