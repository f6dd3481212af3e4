// The one table of settings. Flags, BATON_* variables, the keys of the YAML file, the help text and
// the reference page are all made from it; nothing else knows a setting's name.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace baton::config {

/// Settings while they are put together: what a later rule must know besides the values.
struct Draft {
  Settings settings;
  std::vector<std::string> http_addresses;  // of --http: loopback ones, for the local API
};

/// Stores a value. "" or why not: the rule and the mend.
using Store = std::function<std::string(std::string_view value, Draft& draft)>;

struct Setting {
  std::string key;       // the flag is --key, the variable BATON_KEY with '_' for '-'
  std::string value;     // what stands for the value in help; "": true or false
  std::string standard;  // the default, "" if the help says where it comes from
  std::string help;      // what it does
  std::string rule;      // what a value must be
  Store store;
  bool legacy = false;  // a flag of the retired leader-elector
};

/// In the order in which they are stored: what gives defaults to others comes first.
const std::vector<Setting>& settings_table();

const Setting* find_setting(std::string_view key);

/// "lease-duration" -> "BATON_LEASE_DURATION".
std::string variable_of(std::string_view key);

struct Profile {
  std::string name;
  election::Timings timings;
};
const std::vector<Profile>& profiles();

/// The timings that the legacy --ttl stands for.
election::Timings timings_of_ttl(election::Duration ttl);

}  // namespace baton::config
