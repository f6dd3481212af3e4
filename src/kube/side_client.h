// Everything that is not the Lease: Events, own-Pod reads, access reviews, the preflight's probes.
// Over cpprestsdk, apart from the Lease's traffic by construction: nothing here can delay or take
// down the election. Each call blocks its caller until its deadline at most; not for the election's
// threads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/cluster.h"

namespace baton::kube {

struct SideAnswer {
  int status = 0;  // 0: no answer; `what` says why
  std::string body;
  std::string what;
  std::optional<std::int64_t> date_s;  // the server's Date, seconds since 1970
};

/// What section 5 (d) looks at.
struct OwnPod {
  std::string uid;
  std::optional<std::int64_t> deletion_s;  // metadata.deletionTimestamp
  std::int64_t deletion_grace_s = 0;
  std::int64_t server_date_s = 0;
};

struct LeaseEvent {
  std::string namespace_name, lease_name, lease_uid, identity, message;
};

class SideClient {
 public:
  explicit SideClient(std::shared_ptr<Credentials> credentials);
  ~SideClient();

  SideAnswer request(const std::string& method, const std::string& path, const std::string& body,
                     election::Duration timeout);
  /// The error says the status: 401, 403 and 404 are no proof of anything.
  Result<OwnPod> get_pod(const std::string& namespace_name, const std::string& pod,
                         election::Duration timeout);
  /// An Event (reason LeaderElection, type Normal) on the Lease. "" or why not.
  std::string create_event(const LeaseEvent& event, election::Duration timeout);
  /// SelfSubjectAccessReview for one verb on a named resource.
  Result<bool> can_i(const std::string& verb, const std::string& group, const std::string& resource,
                     const std::string& namespace_name, const std::string& name,
                     election::Duration timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::kube
