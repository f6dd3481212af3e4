#include "runtime/listeners.h"

#include <sys/resource.h>

#include <algorithm>

#include "observe/log.h"

namespace baton::runtime {
namespace {

/// Open files that clients must leave to the election: its connections, timers and threads.
constexpr rlim_t kReservedFiles = 64;
constexpr rlim_t kFewestConnections = 4;

/// What each of `listeners` may take, so that all of them together never take the last file: a
/// renewal would find none for a new connection (R15).
http::ServerLimits limits_of_each(std::size_t listeners) {
  http::ServerLimits limits;
  rlimit files{};
  if (listeners == 0 || ::getrlimit(RLIMIT_NOFILE, &files) != 0) return limits;
  const rlim_t shared = std::max(files.rlim_cur, kReservedFiles) - kReservedFiles;
  const auto most = static_cast<rlim_t>(limits.connections);
  limits.connections = static_cast<int>(std::clamp(shared / listeners, kFewestConnections, most));
  limits.waiters = std::min(limits.waiters, limits.connections / 2);
  return limits;
}

}  // namespace

Result<std::unique_ptr<Listeners>> Listeners::open(const config::Settings& settings,
                                                   const api::Context& context) {
  auto listeners = std::make_unique<Listeners>();
  listeners->limits_ =
      limits_of_each(settings.local_addresses.size() + settings.probe_addresses.size() +
                     settings.legacy_addresses.size());
  for (const std::string& address : settings.local_addresses) {
    auto api = std::make_unique<api::LocalApi>(context);
    const std::size_t before = listeners->servers_.size();
    const std::string error = listeners->add(address, api->handler());
    if (!error.empty()) return Error{"local-address: " + error};
    if (listeners->servers_.size() == before) continue;
    api->attach(*listeners->servers_.back());
    listeners->local_.push_back(std::move(api));
  }
  for (const std::string& address : settings.probe_addresses) {
    const std::string error = listeners->add(address, api::probe_handler(context));
    if (!error.empty()) return Error{"probe-address: " + error};
  }
  for (const std::string& address : settings.legacy_addresses) {
    const std::string error = listeners->add(address, api::legacy_handler(context));
    if (!error.empty()) return Error{"http: " + error};
  }
  return listeners;
}

std::string Listeners::add(const std::string& address, const http::Handler& handler) {
  auto server =
      http::Server::listen({.address = address, .limits = limits_, .tls = nullptr}, handler);
  if (server.ok()) {
    servers_.push_back(std::move(server).value());
    return "";
  }
  const bool is_taken = server.error().find("in use") != std::string::npos;
  if (is_taken) {
    return server.error() +
           "; something else of this Pod, or with hostNetwork of its node, listens there: choose "
           "another port, or unix:/path";
  }
  if (!address.starts_with('[')) return server.error();
  observe::log(observe::Level::warning, "listener left out",
               {{"address", address}, {"reason", server.error()}});
  return "";
}

void Listeners::start() {
  for (auto& server : servers_) server->start();
}

void Listeners::stop() {
  for (auto& server : servers_) server->stop();
}

void Listeners::changed() {
  for (auto& api : local_) api->changed();
}

}  // namespace baton::runtime
