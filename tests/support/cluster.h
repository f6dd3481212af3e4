// The API server that the tests of one binary run against: baton-devserver, or a real
// kube-apiserver where the environment says BATON_TEST_CLUSTER=real. Started at first use, ended
// with the binary. The same test bodies run on both.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "support/process.h"

namespace baton::test {

class TestCluster {
 public:
  static TestCluster& get();
  ~TestCluster();

  bool is_real() const { return is_real_; }
  std::string kubeconfig(const std::string& user) const;
  const std::string& folder() const { return folder_; }
  /// Of the devserver only: its control port.
  std::uint16_t control_port() const;
  Process& process() { return *server_; }

  /// The name of a Lease that does not exist and that none of the last 39 tests used: e0 to e39.
  /// The others are for tests that name theirs.
  std::string new_election();

 private:
  TestCluster();

  bool is_real_;
  std::string folder_;
  std::unique_ptr<Process> server_;
  int elections_ = 0;
};

/// The devserver's control port (docs/devserver.md). Every call expects success, or that what it
/// takes away is gone already.
namespace dev {

nlohmann::json control(const std::string& method, const std::string& target,
                       const nlohmann::json& body);
nlohmann::json control(const std::string& method, const std::string& target);

/// A fault from construction to destruction.
class Fault {
 public:
  explicit Fault(const nlohmann::json& fault);
  ~Fault();
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;

 private:
  int id_;
};

/// One entry of the request log.
struct Seen {
  std::int64_t sequence = 0, boottime_ns = 0;
  std::string user, verb, resource, name, holder, fault;
  int status = 0;
};
std::vector<Seen> requests(std::int64_t after_sequence = 0);
std::int64_t last_sequence();

}  // namespace dev
}  // namespace baton::test
