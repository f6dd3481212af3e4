#include "devserver/fields.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace baton::devserver {

std::int64_t whole_number(const nlohmann::json& value, std::int64_t min, std::int64_t max) {
  const bool fits = value.is_number_unsigned()
                        ? std::cmp_greater_equal(value.get<std::uint64_t>(), min) &&
                              std::cmp_less_equal(value.get<std::uint64_t>(), max)
                        : value.is_number_integer() && value.get<std::int64_t>() >= min &&
                              value.get<std::int64_t>() <= max;
  if (fits) return value.get<std::int64_t>();
  throw std::out_of_range("must be a whole number from " + std::to_string(min) + " to " +
                          std::to_string(max));
}

std::int64_t whole_number(const nlohmann::json& object, const char* field, std::int64_t min,
                          std::int64_t max, std::int64_t otherwise) {
  const auto found = object.find(field);
  return found == object.end() ? otherwise : whole_number(*found, min, max);
}

}  // namespace baton::devserver
