#include "config/load.h"

#include <unistd.h>

#include <algorithm>
#include <regex>
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

std::string line(const std::string& key, const Given& given, const std::string& why) {
  return key + " (" + given.origin + "): \"" + printable(given.value) + "\": " + why;
}

class Loader {
 public:
  Loaded load(const std::vector<std::string>& arguments, const Environment& environment) {
    read_arguments(arguments);
    read_environment(environment);
    read_file_of_settings();
    for (const Setting& setting : settings_table()) store(setting);
    check_pairs();
    check_traffic();
    check_timings();
    place_listeners();
    check_ports();
    return {std::move(draft_.settings), std::move(errors_)};
  }

 private:
  bool is_given(std::string_view key) const { return given_.count(key) != 0; }
  /// One line, whatever the names of files and keys in it are.
  void fail(const std::string& error) { errors_.push_back(printable(error, 4096)); }

  /// Whatever follows a flag and is none itself is taken for its value, so that one mistake is told
  /// once.
  void read_arguments(const std::vector<std::string>& arguments) {
    for (auto at = arguments.begin(); at != arguments.end(); ++at) {
      if (!at->starts_with("--") || at->size() == 2) {
        fail("\"" + printable(*at) +
             "\" (argument): settings are given as --key value; see baton help run");
        continue;
      }
      const auto equals = at->find('=');
      const std::string key = at->substr(2, equals == at->npos ? equals : equals - 2);
      const Setting* setting = find_setting(key);
      const bool is_switch = setting != nullptr && setting->value.empty();
      const std::string next = at + 1 == arguments.end() ? "--" : at[1];
      Given given{is_switch ? "true" : "", "flag --" + printable(key)};
      bool has_value = is_switch;
      if (equals != at->npos) {
        given.value = at->substr(equals + 1);
        has_value = true;
      } else if (is_switch ? next == "true" || next == "false" : !next.starts_with("--")) {
        given.value = *++at;
        has_value = true;
      }
      if (setting == nullptr) {
        fail_unknown(key, given.origin, settings_table(), &Setting::key);
      } else if (!has_value) {
        fail(key + " (" + given.origin + "): needs a value, " + setting->rule + "; write --" + key +
             "=" + setting->value);
        refused_.insert(key);
      } else if (!given_.try_emplace(key, given).second) {
        fail(line(key, given, "is given twice; remove one"));
      }
    }
  }

  void read_environment(const Environment& environment) {
    const auto variable = [](const Setting& setting) { return variable_of(setting.key); };
    for (const auto& [name, value] : environment) {
      if (!name.starts_with("BATON_") || is_service_variable(name, value)) continue;
      if (std::ranges::find(kExecVariables, name) != std::end(kExecVariables)) continue;
      const auto setting = std::ranges::find(settings_table(), name, variable);
      if (setting == settings_table().end()) {
        fail_unknown(name, "environment", settings_table(), variable);
      } else if (!value.empty()) {
        given_.try_emplace(setting->key, Given{value, "variable " + name});
      }
    }
  }

  void read_file_of_settings() {
    const auto config = given_.find("config");
    if (config == given_.end()) return;
    const std::string path = config->second.value;
    const auto entries = read_yaml_file(path);
    if (!entries) return fail("config (" + config->second.origin + "): " + entries.error());
    std::vector<Setting> allowed = settings_table();
    std::erase_if(allowed, [](const Setting& setting) { return setting.key == "config"; });
    for (const YamlEntry& entry : *entries) {
      const std::string origin = path + ":" + std::to_string(entry.line);
      if (entry.key == "config") {
        fail("config (" + origin + "): a settings file names no other; remove the key");
      } else if (find_setting(entry.key) == nullptr) {
        fail_unknown(entry.key, origin, allowed, &Setting::key);
      } else if (!entry.wrong.empty()) {
        fail(entry.key + " (" + origin + "): " + entry.wrong);
        refused_.insert(entry.key);
      } else {
        given_.try_emplace(entry.key, Given{entry.value, origin});
      }
    }
  }

  template <typename Table, typename Name>
  void fail_unknown(const std::string& name, const std::string& origin, const Table& known,
                    Name name_of) {
    fail(printable(name) + " (" + origin + "): no such setting" +
         suggestion(name, known, name_of, "; see baton help run"));
  }

  void store(const Setting& setting) {
    if (!setting.standard.empty()) setting.store(setting.standard, draft_);
    const auto given = given_.find(setting.key);
    if (given != given_.end()) {
      const std::string why = setting.store(given->second.value, draft_);
      if (why.empty()) return;
      fail(line(setting.key, given->second, why));
      refused_.insert(setting.key);
    } else if (setting.key == "election" && refused_.count("election") == 0) {
      fail(
          "election: is required; write --election NAME, BATON_ELECTION=NAME or election: NAME in "
          "the file");
    }
  }

  /// Settings that exclude each other.
  void check_pairs() {
    constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
        {"election-namespace", "namespace"},
        {"ttl", "profile"},
        {"use-cluster-credentials", "kubeconfig"}};
    for (const auto& [legacy, present] : kPairs) {
      const auto old = given_.find(legacy), other = given_.find(present);
      if (old == given_.end() || other == given_.end() || old->second.value == "false") continue;
      fail(line(
          old->first, old->second,
          "cannot stand beside " + other->first + " (" + other->second.origin + "); remove one"));
    }
    if (!draft_.settings.app_process.empty() && !draft_.settings.holders.empty()) {
      fail(line("app-process", given_["app-process"],
                "its end would speak for all holders (" + given_["holders"].origin +
                    "), who each speak for themselves; remove one"));
    }
  }

  /// How the traffic finds the leader.
  void check_traffic() {
    const Settings& settings = draft_.settings;
    constexpr std::size_t kLongestLabelValue = 63;
    const auto one_alone = [&](const std::string& key, const std::string& other,
                               const std::string& mend) {
      if (!is_given(key) || refused_.count(key) + refused_.count(other) != 0) return;
      fail(line(key, given_[key], "needs " + other + " beside it; " + mend));
    };
    if (!settings.leader_service.empty() && settings.leader_service_ports.empty()) {
      one_alone("leader-service", "leader-service-ports", "write the ports like http=8080");
    }
    if (settings.leader_service.empty() && !settings.leader_service_ports.empty()) {
      one_alone("leader-service-ports", "leader-service", "name the Service");
    }
    if (settings.leader_label && settings.election.size() > kLongestLabelValue) {
      fail(line("election", given_["election"],
                "has " + std::to_string(settings.election.size()) +
                    " characters, and as the value of the leader label at most 63; choose a "
                    "shorter name, or leader-service in place of leader-label"));
    }
  }

  void check_timings() {
    std::string origins;
    for (const std::string key : {"profile", "ttl", "lease-duration", "renew-deadline",
                                  "renew-period", "request-timeout", "retry-min", "retry-max"}) {
      if (refused_.count(key) != 0) return;  // said already, and the rest would mislead
      if (!is_given(key)) continue;
      origins += (origins.empty() ? "" : ", ") + key + " from " + given_[key].origin;
    }
    for (const std::string& why : election::check_timings(draft_.settings.timings)) {
      fail("timings (" + origins + "): " + why);
    }
    check_max_term();
  }

  void check_max_term() {
    const Settings& settings = draft_.settings;
    const auto least = election::kShortestMaxTerm * settings.timings.lease_duration;
    if (settings.max_term == election::Duration::zero() || refused_.count("max-term") != 0) return;
    if (settings.max_term < least) {
      fail(line("max-term", given_["max-term"],
                "must be 0s or at least 10 x the lease duration of " +
                    format_duration(settings.timings.lease_duration) + "; write at least " +
                    format_duration(least)));
    }
    if (settings.replicas == 1) {
      fail(line("max-term", given_["max-term"],
                "is of no use to a single replica (replicas is 1), which would only pause; remove "
                "one of them"));
    }
  }

  /// Gives the legacy --http its place: a loopback address is the local API's, and the local API's
  /// default makes way for any other one.
  void place_listeners() {
    Settings& settings = draft_.settings;
    if (is_given("local-address")) {
      settings.local_addresses.insert(settings.local_addresses.end(), draft_.http_addresses.begin(),
                                      draft_.http_addresses.end());
    } else if (!draft_.http_addresses.empty()) {
      settings.local_addresses = draft_.http_addresses;
    } else if (std::ranges::any_of(settings.legacy_addresses, [](const std::string& text) {
                 return text.ends_with(":4040");
               })) {
      settings.local_addresses = {"127.0.0.1:4042", "[::1]:4042"};
    }
  }

  /// One port serves one listener, and a listener binds each of its addresses once.
  void check_ports() {
    std::map<std::string, std::pair<std::string, std::string>> uses;  // key and address, by port
    std::set<std::string> addresses;
    const Settings& settings = draft_.settings;
    const std::pair<std::string, const std::vector<std::string>&> listeners[] = {
        {"local-address", settings.local_addresses},
        {"probe-address", settings.probe_addresses},
        {"http", settings.legacy_addresses}};
    for (const auto& [key, texts] : listeners) {
      for (const std::string& text : texts) {
        const std::string port = text.substr(text.rfind(':') + 1);  // a Unix socket's path
        if (port == "0") continue;                                  // the kernel chooses
        const auto& use = uses.try_emplace(port, key, text).first->second;
        if (addresses.insert(text).second && use.first == key) continue;
        fail(key + (is_given(key) ? " (" + given_[key].origin + ")" : " (default)") + ": \"" +
             printable(text) + "\": is already taken by " + use.first + " " +
             printable(use.second) + "; choose another port or path");
      }
    }
  }

  /// By the setting's key; the first origin to give it wins.
  std::map<std::string, Given, std::less<>> given_;
  std::set<std::string> refused_;  // keys whose value was wrong
  Draft draft_;
  std::vector<std::string> errors_;
};

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

bool is_service_variable(const std::string& name, std::string_view value) {
  static const std::regex form(
      "_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$");
  if (name.ends_with("_PORT") && value.find("://") != value.npos) return true;
  // A Service's name and a port's have 63 characters each; the library's search recurses.
  return name.size() < 200 && std::regex_search(name, form);
}

Loaded load(const std::vector<std::string>& arguments, const Environment& environment) {
  return Loader().load(arguments, environment);
}

}  // namespace baton::config
