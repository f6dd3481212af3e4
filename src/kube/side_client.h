// Everything that is not the Lease: Events, own-Pod reads, access reviews, the preflight's probes.
// Over cpprestsdk, apart from the Lease's traffic by construction: nothing here can delay or take
// down the election. Each call blocks its caller until its deadline at most; not for the election's
// threads.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/cluster.h"

namespace web::http::client {
class http_client;
}

namespace baton::kube {

struct SideAnswer {
  int status = 0;  // 0: no answer; `what` says why
  std::string body;
  std::string what;
  std::optional<std::int64_t> date_s;  // the server's Date, seconds since 1970
};

struct OwnPod {
  // What section 5 (d) looks at.
  std::string uid;
  std::optional<std::int64_t> deletion_s;  // metadata.deletionTimestamp
  std::int64_t deletion_grace_s = 0;
  std::int64_t server_date_s = 0;
  std::string address = {}, node = {};  // "" until they are known
};

/// One line for people: the status and the server's words, or why there is no answer.
std::string explain(const std::string& what, const SideAnswer& answer);

/// On the Lease, or on a Pod.
struct ObjectEvent {
  std::string kind, namespace_name, name, uid, identity, message;
  std::string type = "Normal";  // or Warning
};

/// May this identity `verb` the `resource` called `name`?
struct ReviewQuestion {
  std::string verb, group, resource, namespace_name, name;
};

/// Any thread.
class SideClient {
 public:
  explicit SideClient(std::shared_ptr<Credentials> credentials);

  SideAnswer request(const std::string& method, const std::string& path, const std::string& body,
                     election::Duration timeout);
  /// The error says the status: 401, 403 and 404 are no proof of anything.
  Result<OwnPod> get_pod(const std::string& namespace_name, const std::string& pod,
                         election::Duration timeout);
  /// An Event of the reason LeaderElection. "" or why not.
  std::string create_event(const ObjectEvent& event, election::Duration timeout);
  /// The answer of a SelfSubjectAccessReview.
  Result<bool> can_i(const ReviewQuestion& question, election::Duration timeout);

 private:
  /// `was_cut`: a kept connection that the server had closed.
  SideAnswer send(const std::string& method, const std::string& path, const std::string& body,
                  Instant deadline, bool& was_cut);
  /// The client with its kept connections; a new one when the TLS material has changed.
  Result<std::shared_ptr<web::http::client::http_client>> current_client();

  const std::shared_ptr<Credentials> credentials_;
  std::mutex mutex_;
  // Protected by mutex_.
  std::shared_ptr<web::http::client::http_client> client_;
  http::ClientTls tls_;  // of client_
};

}  // namespace baton::kube
