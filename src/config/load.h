// From a command line, an environment and a file to Settings, or to every reason why not at once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace baton::config {

using Environment = std::map<std::string, std::string>;

/// The process's variables whose names begin with BATON_.
Environment baton_environment();

struct Loaded {
  Settings settings;                // meaningful only if errors is empty
  std::vector<std::string> errors;  // one line each: key, origin, value, rule, mend
};

/// Precedence: flags, environment, file, profile, defaults. An empty variable counts as not set.
/// `arguments` holds what follows the command's name.
Loaded load(const std::vector<std::string>& arguments, const Environment& environment);

/// Whether Kubernetes itself sets this variable in the Pods of a namespace with a Service named
/// baton or baton-something. After the Service's name: SERVICE_HOST, SERVICE_PORT[_NAME], PORT (a
/// URL), PORT_<n>_<PROTOCOL>[_PART].
bool is_service_variable(const std::string& name, std::string_view value);

}  // namespace baton::config
