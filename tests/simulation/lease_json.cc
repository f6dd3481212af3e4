#include "simulation/lease_json.h"

#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "kube/lease_codec.h"

namespace baton::simulation {

LeaseView LeaseJson::decode(const devserver::Object& object) {
  if (object == nullptr) {
    return nullptr;
  }
  Decoded& decoded = decoded_[object.get()];
  if (decoded.view == nullptr) {
    auto lease = kube::decode_lease_object(*object);
    if (!lease) {
      std::cerr << "the store holds what no Lease is: " << lease.error() << '\n';
      std::abort();
    }
    decoded = {object, std::make_shared<const election::Lease>(std::move(lease).value())};
  }
  return decoded.view;
}

}  // namespace baton::simulation
