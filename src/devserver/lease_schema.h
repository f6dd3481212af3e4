// How strictly the API server reads a Lease: types, MicroTime, unknown fields, values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace baton::devserver {

struct Decoded {
  std::string error;                 // the message of a 400; "" if it is a Lease
  std::vector<std::string> unknown;  // paths of fields that were dropped
};

/// Brings `object` into the form that is stored: kind and apiVersion set, spec there, null and
/// unknown fields gone.
Decoded decode_lease(nlohmann::json& object);

/// Drops what belongs to a feature that is off, unless the stored object (null: there is none) has
/// it. For a decoded Lease.
void drop_gated(nlohmann::json& object, const nlohmann::json* stored);

/// The message of a 422, "" if the values are allowed. For a decoded Lease.
std::string validate_lease(const nlohmann::json& object);

}  // namespace baton::devserver
