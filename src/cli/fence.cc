// `baton fence`: its options, and its process around the gateway.
#include <csignal>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "config/rules.h"
#include "fence/gateway.h"
#include "observe/log.h"

namespace baton::cli {
namespace {

constexpr std::size_t kMostScopes = 64;

using Scopes = std::vector<std::string>;

Error bad(const std::string& option, const std::string& value, const std::string& why) {
  return Error{option + ": " + (value.empty() ? "" : "\"" + printable(value) + "\": ") + why};
}

Result<Scopes> read_scopes(const Arguments& arguments) {
  const std::string text = arguments.get("--scopes");
  if (text.empty()) return bad("--scopes", "", "is needed, as NAMESPACE/NAME of the election");
  Scopes scopes = config::split_list(text);
  for (const std::string& scope : scopes) {
    if (!fence::is_scope(scope)) {
      return bad("--scopes", scope, "must be 1 to 253 ASCII characters without blanks");
    }
  }
  if (scopes.size() > kMostScopes) return bad("--scopes", "", "at most 64; remove some");
  return scopes;
}

Result<std::int64_t> read_number(const Arguments& arguments, const std::string& option,
                                 std::int64_t min, std::int64_t otherwise) {
  const std::string text = arguments.get(option);
  if (text.empty()) return otherwise;
  if (const auto number = parse_integer(text, min, fence::kLargestToken)) return *number;
  return bad(
      option, text,
      "must be a number of " + std::to_string(min) + " to " + std::to_string(fence::kLargestToken));
}

Result<Scopes> read_addresses(const Arguments& arguments, const std::string& option,
                              const std::string& standard) {
  const std::string text = arguments.has(option) ? arguments.get(option) : standard;
  const auto addresses = config::parse_addresses(text);
  if (!addresses) return bad(option, text, addresses.error());
  Scopes texts;
  for (const config::Address& address : *addresses) texts.push_back(address.text());
  return texts;
}

/// The service, and whom to take for it. "" or why not.
std::string read_upstream(const Arguments& arguments, fence::Options& options) {
  const std::string text = arguments.get("--upstream");
  const auto url = config::parse_http_url(text, true);
  if (!url || url->target != "/") {
    return bad("--upstream", text,
               "must be http://HOST[:PORT] or https://HOST[:PORT], without a path")
        .what;
  }
  options.upstream = {url->host, static_cast<std::uint16_t>(url->port), ""};
  if (!url->is_https) {
    for (const std::string option : {"--upstream-ca", "--upstream-server-name"}) {
      if (!arguments.has(option)) continue;
      return bad(option, arguments.get(option), "is of an https:// service; --upstream is none")
          .what;
    }
    return "";
  }
  const std::string ca = arguments.get("--upstream-ca");
  if (ca.empty()) return "--upstream-ca: is needed with https://, the file of the service's CA";
  const std::string name = arguments.get("--upstream-server-name");
  if (arguments.has("--upstream-server-name")) {
    const std::string why = config::check_dns_subdomain(name);
    if (!why.empty()) return bad("--upstream-server-name", name, why).what;
  }
  auto trust = fence::Trust::open(ca, name);
  if (!trust) return "--upstream-ca: " + trust.error();
  options.upstream_trust = std::move(trust).value();
  return "";
}

/// "" or why not.
std::string read_options(const Arguments& arguments, fence::Options& options) {
  if (std::string error = read_upstream(arguments, options); !error.empty()) return error;
  const auto listen = read_addresses(arguments, "--listen", ":8080");
  if (!listen) return listen.error();
  if (listen->empty()) return "--listen: \"off\": a gateway listens; name an address";
  const auto probes = read_addresses(arguments, "--probe-address", ":4041");
  if (!probes) return probes.error();
  const auto jump = read_number(arguments, "--max-jump", 1, options.max_jump);
  if (!jump) return jump.error();
  const auto drain = arguments.duration("--drain", options.drain);
  if (!drain) return drain.error();
  const auto timeout = arguments.duration("--upstream-timeout", options.upstream_timeout);
  if (!timeout) return timeout.error();
  if (*timeout == Duration(0)) return "--upstream-timeout: \"0s\": must be above zero";
  options.listen_addresses = *listen;
  options.probe_addresses = *probes;
  options.max_jump = *jump;
  options.drain = *drain;
  options.upstream_timeout = *timeout;
  return "";
}

int serve(const Call& call, fence::Options options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the first thread, which inherits it
  std::signal(SIGPIPE, SIG_IGN);

  auto state = fence::StateFile::open(call.arguments.get("--state"), options.scopes);
  if (!state) return call.fail(kUsage, "--state: " + state.error());
  auto gateway = fence::Gateway::open(std::move(options), std::move(state).value());
  if (!gateway) return call.fail(kUsage, gateway.error());
  (*gateway)->start();
  int signal = 0;
  sigwait(&signals, &signal);
  observe::log(observe::Level::info, "signal", {{"name", std::string(::strsignal(signal))}});
  (*gateway)->stop();
  observe::log(observe::Level::info, "stopped");
  return kOk;
}

}  // namespace

int run_fence(const Call& call) {
  const Arguments& arguments = call.arguments;
  const auto scopes = read_scopes(arguments);
  if (!scopes) return call.fail(kUsage, scopes.error());
  const std::string path = arguments.get("--state");
  if (path.empty())
    return call.fail(kUsage, "--state: is needed, a file that outlives the process");
  if (arguments.has("--initialise")) {
    const auto token = read_number(arguments, "--initialise", 0, 0);
    if (!token) return call.fail(kUsage, token.error());
    const std::string error = fence::StateFile::initialise(path, *scopes, *token);
    return error.empty() ? kOk : call.fail(kFailed, "--initialise: " + error);
  }
  fence::Options options{.scopes = *scopes,
                         .upstream = {},
                         .upstream_trust = nullptr,
                         .listen_addresses = {},
                         .probe_addresses = {}};
  if (const std::string error = read_options(arguments, options); !error.empty()) {
    return call.fail(kUsage, error);
  }
  return serve(call, std::move(options));
}

}  // namespace baton::cli
