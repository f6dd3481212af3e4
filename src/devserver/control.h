// The control port: plain HTTP and JSON on loopback, as docs/devserver.md describes it. Its
// requests run on the API server's thread, in the order they come.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "devserver/api_server.h"
#include "http/server.h"

namespace baton::devserver {

class Control {
 public:
  explicit Control(ApiServer& api) : api_(api) {}

  http::Handler handler();
  void attach(http::Server& server) { server_ = &server; }

 private:
  http::Response answer(const std::string& method, const http::Target& target,
                        const std::string& body);
  http::Response faults(const std::string& method, const std::string& id,
                        const nlohmann::json& body);
  http::Response objects(const std::string& method, const std::string& path,
                         const nlohmann::json& body);
  http::Response restore(const nlohmann::json& body);

  ApiServer& api_;
  http::Server* server_ = nullptr;
  std::map<int, Snapshot> snapshots_;  // API server's thread
};

}  // namespace baton::devserver
