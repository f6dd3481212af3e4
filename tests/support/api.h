// Requests of a test: to the API server as any of its users, and plain ones to a local address.
// Answers come whole, as status, headers, body and parsed JSON. One thread each.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "http/client.h"

namespace baton::kube {
class Credentials;
}

namespace baton::test {

inline const std::string kLeases = "/apis/coordination.k8s.io/v1/namespaces/baton-test/leases";
inline const std::string kPods = "/api/v1/namespaces/baton-test/pods";
inline const std::string kEvents = "/api/v1/namespaces/baton-test/events";
inline const std::string kReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

struct Answer {
  int status = 0;    // 0: no answer; `what` says why
  std::string what;  // for people
  http::Headers headers;
  std::string body;
  bool reused_connection = false;

  nlohmann::json json() const;  // discarded if the body is none
};

/// A keep-alive client of one local listener.
class LocalClient {
 public:
  explicit LocalClient(std::uint16_t port);
  ~LocalClient();
  Answer request(const std::string& method, const std::string& target, const std::string& body = "",
                 std::chrono::nanoseconds bound = std::chrono::seconds(20));
  bool connected() const;

 private:
  std::unique_ptr<http::Connection> connection_;
};

/// One user of the test cluster.
class Api {
 public:
  explicit Api(const std::string& user);
  /// The user of this kubeconfig, of whatever server.
  static Api at(const std::string& kubeconfig) { return Api(Path{kubeconfig}); }
  ~Api();

  Answer request(const std::string& method, const std::string& target, const std::string& body = "",
                 const std::string& content_type = "");
  Answer get(const std::string& target) { return request("GET", target); }
  Answer post(const std::string& target, const nlohmann::json& body);
  Answer put(const std::string& target, const nlohmann::json& body);
  Answer patch(const std::string& target, const nlohmann::json& merge_patch);
  Answer remove(const std::string& target) { return request("DELETE", target); }
  /// Makes a Pod that no kubelet runs; its uid. It stays until removed without a grace period.
  std::string make_pod(const std::string& name, const std::string& service_account);

  /// The lines of a watch until `enough` says so of the last one, the stream ends, or `bound`.
  /// `started` runs once the stream is open.
  std::vector<nlohmann::json> watch(const std::string& target,
                                    const std::function<bool(const nlohmann::json&)>& enough,
                                    const std::function<void()>& started = nullptr);

 private:
  struct Path {
    std::string kubeconfig;
  };
  explicit Api(const Path& path);
  std::unique_ptr<http::Connection> connect();
  http::Request make_request(const std::string& method, const std::string& target,
                             const std::string& body);

  std::shared_ptr<kube::Credentials> credentials_;
  std::unique_ptr<http::Connection> connection_;
};

/// A Lease for POST and PUT, with this spec.
nlohmann::json lease_body(const std::string& name, const nlohmann::json& spec);

/// metadata.resourceVersion of an object, a list or an event's object.
std::int64_t version_of(const nlohmann::json& object);

}  // namespace baton::test
