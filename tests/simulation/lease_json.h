// Between the Lease as the store keeps it and as the rules see it.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "devserver/store.h"
#include "election/lease.h"

namespace baton::simulation {

using LeaseView = std::shared_ptr<const election::Lease>;

inline const devserver::Key kLeaseKey{"leases", "default", "demo"};

class LeaseJson {
 public:
  /// Each stored version is decoded once.
  LeaseView decode(const devserver::Object& object);
  /// The body of the PUT; `stamp` stands for the wall clock.
  nlohmann::json encode(const election::LeaseWrite& write, const std::string& stamp);

 private:
  // A view's `raw` is the index of the object it was decoded from.
  std::vector<devserver::Object> objects_;
  std::unordered_map<const nlohmann::json*, LeaseView> decoded_;
};

}  // namespace baton::simulation
