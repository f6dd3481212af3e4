#include "config/load.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"
#include "config/rules.h"
#include "config/table.h"
#include "config/yaml_file.h"

namespace baton::config {
namespace {

/// `baton exec` sets these for its child.
constexpr std::string_view kExecVariables[] = {"BATON_FENCING_TOKEN", "BATON_TERM_ID"};

struct Given {
  std::string value;
  std::string origin;  // for people: "flag --ttl", "variable BATON_TTL", "/etc/baton.yaml:3"
};

std::string line(std::string_view key, const Given& given, const std::string& why) {
  return std::string(key) + " (" + given.origin + "): \"" + printable(given.value) + "\": " + why;
}

class Loader {
 public:
  Loaded load(const std::vector<std::string>& arguments, const Environment& environment);

 private:
  void read_arguments(const std::vector<std::string>& arguments);
  std::size_t read_flag(const std::vector<std::string>& arguments, std::size_t at);
  void read_environment(const Environment& environment);
  void read_file_of_settings();
  void store_all();
  void check_pairs();
  void check_timings();
  void place_listeners();
  void check_ports();

  bool is_given(std::string_view key) const { return given_.count(key) != 0; }
  void fail(std::string error) { errors_.push_back(std::move(error)); }
  void fail_unknown(const std::string& name, const std::string& origin,
                    const std::vector<std::string_view>& known);

  std::map<std::string_view, Given> given_;  // by the table's key; the first origin to give it wins
  std::set<std::string_view> refused_;       // keys whose value was wrong
  Draft draft_;
  std::vector<std::string> errors_;
};

Loaded Loader::load(const std::vector<std::string>& arguments, const Environment& environment) {
  read_arguments(arguments);
  read_environment(environment);
  read_file_of_settings();
  store_all();
  check_pairs();
  check_timings();
  place_listeners();
  check_ports();
  return {std::move(draft_.settings), std::move(errors_)};
}

void Loader::fail_unknown(const std::string& name, const std::string& origin,
                          const std::vector<std::string_view>& known) {
  const std::string close = nearest(name, known);
  fail(printable(name) + " (" + origin + "): no such setting" +
       (close.empty() ? "; see baton help run" : "; did you mean " + close + "?"));
}

void Loader::read_arguments(const std::vector<std::string>& arguments) {
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    if (arguments[at].starts_with("--") && arguments[at].size() > 2) {
      at = read_flag(arguments, at);
    } else {
      fail("\"" + printable(arguments[at]) +
           "\" (argument): settings are given as --key value; see baton help run");
    }
  }
}

/// Reads the flag at `at`; returns the last argument that belongs to it.
std::size_t Loader::read_flag(const std::vector<std::string>& arguments, std::size_t at) {
  const std::string& argument = arguments[at];
  const auto equals = argument.find('=');
  const std::string key = argument.substr(2, equals == argument.npos ? equals : equals - 2);
  const Setting* setting = find_setting(key);
  const std::string* next = at + 1 < arguments.size() ? &arguments[at + 1] : nullptr;
  if (setting == nullptr) {
    std::vector<std::string_view> known;
    for (const Setting& each : settings_table()) known.push_back(each.key);
    fail_unknown(key, "flag --" + printable(key), known);
    const bool takes_next = equals == argument.npos && next != nullptr && !next->starts_with("--");
    return takes_next ? at + 1 : at;
  }
  Given given{"", "flag --" + key};
  if (equals != argument.npos) {
    given.value = argument.substr(equals + 1);
  } else if (setting->value.empty()) {
    const bool takes_next = next != nullptr && (*next == "true" || *next == "false");
    given.value = takes_next ? *next : "true";
    at += takes_next ? 1 : 0;
  } else if (next != nullptr && !next->starts_with("--")) {
    given.value = *next;
    ++at;
  } else {
    fail(key + " (" + given.origin + "): needs a value, " + std::string(setting->rule) +
         "; write --" + key + "=" + std::string(setting->value));
    refused_.insert(setting->key);
    return at;
  }
  if (is_given(setting->key)) fail(line(key, given, "is given twice; remove one"));
  given_.emplace(setting->key, std::move(given));
  return at;
}

void Loader::read_environment(const Environment& environment) {
  std::map<std::string, std::string_view> keys;
  for (const Setting& setting : settings_table()) keys[variable_of(setting.key)] = setting.key;
  std::vector<std::string_view> known;
  known.reserve(keys.size());
  for (const auto& [variable, key] : keys) known.push_back(variable);
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with("BATON_") || is_service_variable(variable, value)) continue;
    if (std::count(std::begin(kExecVariables), std::end(kExecVariables), variable) != 0) continue;
    const auto key = keys.find(variable);
    if (key == keys.end()) {
      fail_unknown(variable, "environment", known);
    } else if (!value.empty()) {
      given_.emplace(key->second, Given{value, "variable " + variable});
    }
  }
}

void Loader::read_file_of_settings() {
  const auto config = given_.find("config");
  if (config == given_.end()) return;
  const std::string path = config->second.value;
  const auto entries = read_yaml_file(path);
  if (!entries) return fail("config (" + config->second.origin + "): " + entries.error());
  std::vector<std::string_view> known;
  for (const Setting& each : settings_table()) {
    if (each.key != "config") known.push_back(each.key);
  }
  for (const YamlEntry& entry : *entries) {
    const std::string origin = path + ":" + std::to_string(entry.line);
    const Setting* setting = find_setting(entry.key);
    if (entry.key == "config") {
      fail("config (" + origin + "): a settings file names no other; remove the key");
    } else if (setting == nullptr) {
      fail_unknown(entry.key, origin, known);
    } else if (!entry.wrong.empty()) {
      fail(entry.key + " (" + origin + "): " + entry.wrong);
      refused_.insert(setting->key);
    } else {
      given_.emplace(setting->key, Given{entry.value, origin});
    }
  }
}

void Loader::store_all() {
  for (const Setting& setting : settings_table()) {
    if (!setting.standard.empty()) setting.store(setting.standard, draft_);
    const auto given = given_.find(setting.key);
    if (given == given_.end()) {
      if (setting.key == "election" && refused_.count("election") == 0) {
        fail(
            "election: is required; write --election NAME, BATON_ELECTION=NAME or election: NAME "
            "in the file");
      }
      continue;
    }
    if (std::string why = setting.store(given->second.value, draft_); !why.empty()) {
      fail(line(setting.key, given->second, why));
      refused_.insert(setting.key);
    }
  }
}

/// Settings that exclude each other.
void Loader::check_pairs() {
  const std::pair<std::string_view, std::string_view> pairs[] = {
      {"election-namespace", "namespace"},
      {"ttl", "profile"},
      {"use-cluster-credentials", "kubeconfig"}};
  for (const auto& [legacy, present] : pairs) {
    if (!is_given(legacy) || !is_given(present) || given_[legacy].value == "false") continue;
    fail(line(legacy, given_[legacy],
              "cannot stand beside " + std::string(present) + " (" + given_[present].origin +
                  "); remove one"));
  }
}

void Loader::check_timings() {
  std::string origins;
  for (const std::string_view key : {"profile", "ttl", "lease-duration", "renew-deadline",
                                     "renew-period", "request-timeout", "retry-min", "retry-max"}) {
    if (refused_.count(key) != 0) return;  // said already, and the rest would mislead
    if (!is_given(key)) continue;
    origins += (origins.empty() ? "" : ", ") + std::string(key) + " from " + given_[key].origin;
  }
  const std::string why = election::check_timings(draft_.settings.timings);
  if (!why.empty()) fail("timings (" + origins + "): " + why);
}

/// Gives the legacy --http its place: a loopback address is the local API's, and the local API's
/// default makes way for any other one.
void Loader::place_listeners() {
  Settings& settings = draft_.settings;
  if (is_given("local-address")) {
    settings.local_addresses.insert(settings.local_addresses.end(), draft_.http_addresses.begin(),
                                    draft_.http_addresses.end());
  } else if (!draft_.http_addresses.empty()) {
    settings.local_addresses = draft_.http_addresses;
  } else if (std::any_of(settings.legacy_addresses.begin(), settings.legacy_addresses.end(),
                         [](const std::string& text) { return text.ends_with(":4040"); })) {
    settings.local_addresses = {"127.0.0.1:4042", "[::1]:4042"};
  }
}

/// One port serves one listener, and a listener binds each of its addresses once.
void Loader::check_ports() {
  struct Use {
    std::string_view key;
    std::string address;
  };
  std::map<std::string, Use> ports;  // of the other listeners, by port or path
  std::set<std::string> addresses;
  const Settings& settings = draft_.settings;
  const std::pair<std::string_view, const std::vector<std::string>*> listeners[] = {
      {"local-address", &settings.local_addresses},
      {"probe-address", &settings.probe_addresses},
      {"http", &settings.legacy_addresses}};
  for (const auto& [key, texts] : listeners) {
    for (const std::string& text : *texts) {
      const std::string port = text.substr(text.rfind(':') + 1);
      if (port == "0") continue;  // the kernel chooses
      const auto [use, is_new] = ports.emplace(port, Use{key, text});
      if (is_new ? addresses.insert(text).second
                 : use->second.key == key && addresses.insert(text).second) {
        continue;
      }
      fail(std::string(key) + (is_given(key) ? " (" + given_[key].origin + ")" : " (default)") +
           ": \"" + printable(text) + "\": is already taken by " + std::string(use->second.key) +
           " " + printable(use->second.address) + "; choose another port or path");
    }
  }
}

}  // namespace

Environment baton_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (!text.starts_with("BATON_") || equals == text.npos) continue;
    out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

bool is_service_variable(std::string_view name, std::string_view value) {
  // After the Service's name: SERVICE_HOST, SERVICE_PORT[_NAME], PORT, PORT_<n>_<PROTOCOL>[_PART].
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
  if (name.find("_SERVICE_PORT_") != name.npos) return true;
  if (name.ends_with("_PORT") && value.find("://") != value.npos) return true;
  for (auto at = name.find("_PORT_"); at != name.npos; at = name.find("_PORT_", at + 1)) {
    const auto digits = at + 6;
    const auto end = name.find_first_not_of("0123456789", digits);
    if (end == name.npos || end == digits) continue;
    for (const std::string_view protocol : {"_TCP", "_UDP", "_SCTP"}) {
      const std::string_view rest = name.substr(end);
      if (!rest.starts_with(protocol)) continue;
      const std::string_view part = rest.substr(protocol.size());
      if (part.empty() || part == "_PROTO" || part == "_PORT" || part == "_ADDR") return true;
    }
  }
  return false;
}

Loaded load(const std::vector<std::string>& arguments, const Environment& environment) {
  return Loader().load(arguments, environment);
}

}  // namespace baton::config
