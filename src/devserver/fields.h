// Numbers in what clients send.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace baton::devserver {

/// The whole number that `value` is. Throws std::out_of_range, which names the rule, if it is none
/// from `min` to `max`.
std::int64_t whole_number(const nlohmann::json& value, std::int64_t min, std::int64_t max);

/// The same of a field of an object; `otherwise` if it has no such field.
std::int64_t whole_number(const nlohmann::json& object, const char* field, std::int64_t min,
                          std::int64_t max, std::int64_t otherwise);

}  // namespace baton::devserver
