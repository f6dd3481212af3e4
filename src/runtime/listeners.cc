#include "runtime/listeners.h"

#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <utility>

#include "observe/log.h"

namespace baton::runtime {
namespace {

/// Open files that clients must leave to the election: its connections, timers and threads.
constexpr rlim_t kReservedFiles = 64;
constexpr rlim_t kFewestConnections = 4;
/// Of a local address: an application of a thousand event streams, and as many that only ask.
constexpr int kLocalConnections = 2048;
constexpr int kLocalWaiters = 1024;
/// Some events, beyond what the kernel keeps for a client that does not read.
constexpr std::size_t kLocalBacklogBytes = 8192;

/// How many files this process may have open. The soft limit is low for the sake of programs that
/// call select(); this one does not.
rlim_t raise_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  const rlimit raised{files.rlim_max, files.rlim_max};
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? files.rlim_max : files.rlim_cur;
}

/// Of `files`, its share by what is wanted.
void lower(http::ServerLimits& limits, rlim_t files, rlim_t wanted_by_all) {
  const auto wanted = static_cast<rlim_t>(limits.connections);
  const rlim_t share = files * wanted / wanted_by_all;
  limits.connections = static_cast<int>(std::max(share, kFewestConnections));
  limits.waiters = std::min(limits.waiters, limits.connections / 2);
}

/// What each local address and each other one may take, so that all of them together never take the
/// last file: a renewal would find none for a new connection (R15).
std::pair<http::ServerLimits, http::ServerLimits> limits_of_each(std::size_t locals,
                                                                 std::size_t others) {
  http::ServerLimits local, other;
  local.connections = kLocalConnections;
  local.waiters = kLocalWaiters;
  local.stream_backlog_bytes = kLocalBacklogBytes;
  const rlim_t files = raise_open_files();
  const rlim_t wanted = locals * static_cast<rlim_t>(local.connections) +
                        others * static_cast<rlim_t>(other.connections);
  if (wanted == 0 || files >= wanted + kReservedFiles) return {local, other};
  const rlim_t shared = std::max(files, kReservedFiles) - kReservedFiles;
  lower(local, shared, wanted);
  lower(other, shared, wanted);
  observe::log(
      observe::Level::warning, "fewer clients",
      {{"reason", "the limit of open files (RLIMIT_NOFILE) is " + std::to_string(files) +
                      ", less than " + std::to_string(wanted + kReservedFiles) +
                      ": a local address takes " + std::to_string(local.connections) +
                      " connections and not " + std::to_string(kLocalConnections) + ", of which " +
                      std::to_string(local.waiters) + " may wait; raise the limit"}});
  return {local, other};
}

}  // namespace

Result<std::unique_ptr<Listeners>> Listeners::open(const config::Settings& settings,
                                                   const api::Context& context) {
  auto listeners = std::make_unique<Listeners>();
  const auto [local, others] =
      limits_of_each(settings.local_addresses.size(),
                     settings.probe_addresses.size() + settings.legacy_addresses.size());
  for (const std::string& address : settings.local_addresses) {
    auto api = std::make_unique<api::LocalApi>(context);
    const std::size_t before = listeners->servers_.size();
    const std::string error = listeners->add(address, local, api->handler());
    if (!error.empty()) return Error{"local-address: " + error};
    if (listeners->servers_.size() == before) continue;
    api->attach(*listeners->servers_.back());
    listeners->local_.push_back(std::move(api));
  }
  for (const std::string& address : settings.probe_addresses) {
    const std::string error = listeners->add(address, others, api::probe_handler(context));
    if (!error.empty()) return Error{"probe-address: " + error};
  }
  for (const std::string& address : settings.legacy_addresses) {
    const std::string error = listeners->add(address, others, api::legacy_handler(context));
    if (!error.empty()) return Error{"http: " + error};
  }
  return listeners;
}

std::string Listeners::add(const std::string& address, const http::ServerLimits& limits,
                           const http::Handler& handler) {
  auto server =
      http::Server::listen({.address = address, .limits = limits, .tls = nullptr}, handler);
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
