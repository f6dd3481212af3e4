#include "runtime/listeners.h"

#include "observe/log.h"

namespace baton::runtime {
namespace {

/// Null with an empty `error`: left out, because this host has no such IPv6 address.
std::unique_ptr<http::Server> listen(const std::string& address, http::Handler handler,
                                     std::string& error) {
  auto server =
      http::Server::listen({.address = address, .limits = {}, .tls = nullptr}, std::move(handler));
  if (server.ok()) return std::move(server).value();
  const bool taken = server.error().find("in use") != std::string::npos;
  if (address.starts_with('[') && !taken) {
    observe::log(observe::Level::warning, "listener left out",
                 {{"address", address}, {"reason", server.error()}});
  } else {
    error = server.error();
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Listeners>> Listeners::open(const config::Settings& settings,
                                                   const api::Context& context) {
  auto listeners = std::make_unique<Listeners>();
  std::string error;
  for (const std::string& address : settings.local_addresses) {
    Local local{std::make_unique<api::LocalApi>(context), nullptr};
    local.server = listen(address, local.api->handler(), error);
    if (!error.empty()) return Error{"local-address: " + error};
    if (!local.server) continue;
    local.api->attach(*local.server);
    listeners->local_.push_back(std::move(local));
  }
  const auto add = [&](const std::string& key, const std::string& address, http::Handler handler) {
    auto server = listen(address, std::move(handler), error);
    if (!error.empty()) error.insert(0, key + ": ");
    if (server) listeners->others_.push_back(std::move(server));
    return error.empty();
  };
  for (const std::string& address : settings.probe_addresses) {
    if (!add("probe-address", address, api::probe_handler(context))) return Error{error};
  }
  for (const std::string& address : settings.legacy_addresses) {
    if (!add("http", address, api::legacy_handler(context))) return Error{error};
  }
  return listeners;
}

Listeners::~Listeners() { stop(); }

void Listeners::start() {
  for (Local& local : local_) local.server->start();
  for (auto& server : others_) server->start();
}

void Listeners::stop() {
  for (Local& local : local_) local.server->stop();
  for (auto& server : others_) server->stop();
}

void Listeners::changed() {
  for (Local& local : local_) local.api->changed();
}

}  // namespace baton::runtime
