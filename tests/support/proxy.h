// baton-fault-proxy between the candidates and the test cluster, as a test sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "support/api.h"
#include "support/cluster.h"
#include "support/process.h"

namespace baton::test {

class Proxy {
 public:
  /// Ends the test binary with the proxy's own line if it cannot start.
  Proxy();

  std::string kubeconfig(const std::string& user) const {
    return folder_ + "/" + user + ".kubeconfig";
  }
  std::string folder() const { return folder_; }

  /// docs/devserver.md. Every call expects success, or that what it takes away is gone already.
  nlohmann::json control(const std::string& method, const std::string& target,
                         const nlohmann::json& body);
  nlohmann::json get(const std::string& target);
  nlohmann::json post(const std::string& target, const nlohmann::json& body);

  /// One that is on until it is let go.
  class Fault {
   public:
    Fault(Proxy& proxy, const nlohmann::json& fault);
    ~Fault();
    Fault(const Fault&) = delete;

   private:
    Proxy& proxy_;
    int id_;
  };

 private:
  std::string folder_;
  std::uint16_t control_port_;
  Process process_;
  LocalClient client_;
};

}  // namespace baton::test
