#include "devserver/lease_schema.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>

#include "devserver/fields.h"

namespace baton::devserver {
namespace {

using nlohmann::json;

enum class Type {
  text,
  integer,
  micro_time,
  gated,  // coordinated election, which is off by default in 1.36: see drop_gated()
};

struct Field {
  const char* name;
  Type type;
};

constexpr std::array<Field, 7> kSpec = {{{"holderIdentity", Type::text},
                                         {"leaseDurationSeconds", Type::integer},
                                         {"acquireTime", Type::micro_time},
                                         {"renewTime", Type::micro_time},
                                         {"leaseTransitions", Type::integer},
                                         {"strategy", Type::gated},
                                         {"preferredHolder", Type::gated}}};

std::string wrong_type(const json& value, const std::string& where, const char* wanted) {
  const char* got = value.is_string()    ? "string"
                    : value.is_number()  ? "number"
                    : value.is_boolean() ? "bool"
                                         : value.type_name();
  return std::string("json: cannot unmarshal ") + got + " into Go struct field " + where +
         " of type " + wanted;
}

// "2006-01-02T15:04:05.000000Z07:00": the fraction has exactly six digits.
bool is_micro_time(const std::string& text) {
  static const std::regex kForm(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d))");
  return text.size() < 40 && std::regex_match(text, kForm);
}

std::string check_field(const Field& field, const json& value) {
  const std::string where = std::string("LeaseSpec.spec.") + field.name;
  if (field.type == Type::integer) {
    try {
      whole_number(value, INT32_MIN, INT32_MAX);
    } catch (const std::out_of_range&) {
      return wrong_type(value, where, "int32");
    }
    return "";
  }
  if (!value.is_string()) return wrong_type(value, where, "string");
  const auto text = value.get<std::string>();
  if (field.type == Type::micro_time && !is_micro_time(text)) {
    return "parsing time \"" + text +
           "\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse it as .000000";
  }
  return "";
}

std::string check_metadata(json& meta) {
  for (const char* name : {"name", "namespace", "uid", "resourceVersion"}) {
    const auto found = meta.find(name);
    if (found != meta.end() && !found->is_string()) {
      return wrong_type(*found, std::string("ObjectMeta.metadata.") + name, "string");
    }
  }
  for (const char* name : {"annotations", "labels"}) {
    const auto found = meta.find(name);
    if (found == meta.end()) continue;
    if (!found->is_object()) {
      return wrong_type(*found, std::string("ObjectMeta.metadata.") + name, "map[string]string");
    }
    for (const json& value : *found) {
      if (!value.is_string()) {
        return wrong_type(value, std::string("ObjectMeta.metadata.") + name, "string");
      }
    }
    if (found->empty()) meta.erase(found);
  }
  return "";
}

void erase_nulls(json& object) {
  for (auto it = object.begin(); it != object.end();) {
    it = it->is_null() ? object.erase(it) : std::next(it);
  }
}

std::string read_spec(json& spec, std::vector<std::string>& unknown) {
  json kept = json::object();
  for (const auto& [key, value] : spec.items()) {
    const std::string& name = key;
    const auto* const field =
        std::find_if(kSpec.begin(), kSpec.end(), [&](const Field& f) { return name == f.name; });
    if (field == kSpec.end()) {
      unknown.push_back("spec." + name);
      continue;
    }
    if (auto error = check_field(*field, value); !error.empty()) return error;
    kept[name] = value;
  }
  spec = std::move(kept);
  return "";
}

std::string read_lease(json& object, std::vector<std::string>& unknown) {
  erase_nulls(object);
  json& meta = object["metadata"];
  if (meta.is_null()) meta = json::object();
  if (!meta.is_object()) return wrong_type(meta, "Lease.metadata", "v1.ObjectMeta");
  erase_nulls(meta);
  if (auto error = check_metadata(meta); !error.empty()) return error;
  json& spec = object["spec"];
  if (spec.is_null()) spec = json::object();
  if (!spec.is_object()) return wrong_type(spec, "Lease.spec", "v1.LeaseSpec");
  erase_nulls(spec);
  return read_spec(spec, unknown);
}

}  // namespace

Decoded decode_lease(json& object) {
  Decoded decoded;
  if (!object.is_object()) {
    decoded.error = "the object provided is unrecognized (must be of type Lease)";
    return decoded;
  }
  for (const auto& [name, wanted] :
       {std::pair("apiVersion", "coordination.k8s.io/v1"), std::pair("kind", "Lease")}) {
    if (object.value(name, json(wanted)) != wanted) {
      decoded.error = "the object provided cannot be handled as a Lease: " + std::string(name) +
                      " is not " + wanted;
      return decoded;
    }
    object[name] = wanted;
  }
  decoded.error = read_lease(object, decoded.unknown);
  if (!decoded.error.empty()) {
    decoded.error = "Lease in version \"v1\" cannot be handled as a Lease: " + decoded.error;
  }
  return decoded;
}

void drop_gated(json& object, const json* stored) {
  const json spec = stored == nullptr ? json() : stored->value("spec", json());
  for (const Field& field : kSpec) {
    if (field.type == Type::gated && !spec.contains(field.name)) object["spec"].erase(field.name);
  }
}

std::string validate_lease(const json& object) {
  const json& spec = object["spec"];
  const std::string invalid = "Lease.coordination.k8s.io \"" +
                              object["metadata"].value("name", std::string()) + "\" is invalid: ";
  if (spec.contains("leaseDurationSeconds") && spec["leaseDurationSeconds"] <= 0) {
    return invalid + "spec.leaseDurationSeconds: must be greater than 0";
  }
  if (spec.contains("leaseTransitions") && spec["leaseTransitions"] < 0) {
    return invalid + "spec.leaseTransitions: must be greater than or equal to 0";
  }
  return "";
}

}  // namespace baton::devserver
