#include "runtime/listeners.h"

#include "observe/log.h"

namespace baton::runtime {

Result<std::unique_ptr<Listeners>> Listeners::open(const config::Settings& settings,
                                                   const api::Context& context) {
  auto listeners = std::make_unique<Listeners>();
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
  auto server = http::Server::listen({.address = address, .limits = {}, .tls = nullptr}, handler);
  if (server.ok()) {
    servers_.push_back(std::move(server).value());
    return "";
  }
  const bool is_taken = server.error().find("in use") != std::string::npos;
  if (!address.starts_with('[') || is_taken) return server.error();
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
