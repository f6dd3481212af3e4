// Where the API server is, whom to trust and who we are: from the Pod or from a kubeconfig.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/client.h"

namespace baton::kube {

/// Description of the cluster. Files are named, not read in, where they may rotate.
struct Cluster {
  http::Endpoint endpoint;      // host and port; authority as in the server URL
  std::string path_prefix;      // path of the server URL, "" mostly
  std::string tls_server_name;  // "" means endpoint.host
  std::string ca_pem;           // from -data
  std::string ca_file;          // or from a file, re-read for each new connection
  std::string client_certificate_pem, client_certificate_file;
  std::string client_key_pem, client_key_file;
  std::string token;           // fixed
  std::string token_file;      // or re-read (at most 60 s old; at once after a 401)
  std::string namespace_name;  // of the context or the service account; "" if neither says
  bool is_in_cluster = false;
  std::string source;  // for people: "in-cluster" or the kubeconfig's path and context
};

/// From KUBERNETES_SERVICE_HOST/PORT and the service account's files, mounted at `mount`.
Result<Cluster> in_cluster(
    const std::string& mount = "/var/run/secrets/kubernetes.io/serviceaccount");

/// `path` "" : $KUBECONFIG (one file), else ~/.kube/config. `context` "" : current-context. Fields
/// that baton does not support and that are not empty are refused by name, with what to use
/// instead. The error has one line for each thing that is wrong.
Result<Cluster> from_kubeconfig(const std::string& path, const std::string& context);

/// What a person asked for: a kubeconfig if named (flag or KUBECONFIG), else in-cluster if the
/// environment says so, else ~/.kube/config, else an error naming the three.
Result<Cluster> find_cluster(const std::string& kubeconfig, const std::string& context);

/// The TLS material as its files are now.
Result<http::ClientTls> read_tls(const Cluster& cluster);

/// What of the token and the TLS material that the cluster names cannot be used now, one line each.
/// The three above have asked it.
std::vector<std::string> check_files(const Cluster& cluster);

/// From when until when a credential holds by its own word, in seconds since 1970; empty where it
/// does not say so.
struct Validity {
  std::optional<std::int64_t> from_s = {}, until_s = {};
};

/// The bearer token and the TLS material, kept fresh. Any thread.
class Credentials {
 public:
  explicit Credentials(Cluster cluster);
  /// The token for the Authorization header, "" if the cluster uses none. Keeps the old one if the
  /// file cannot be read for a moment.
  std::string bearer();
  /// After a 401: the next bearer() reads the file again.
  void drop_token();
  /// A context for the next connection: the same one (with its session cache) while the CA and
  /// client certificate files have not changed, or cannot be used as they are now; else a new one.
  Result<std::shared_ptr<http::TlsContext>> tls();
  /// By its claims `iat` and `exp`.
  Validity token_validity();
  /// Of the file as it is now, which the next connection uses.
  Validity client_certificate_validity() const;
  const Cluster& cluster() const { return cluster_; }

 private:
  const Cluster cluster_;
  std::mutex mutex_;
  // The fields below are protected by mutex_.
  std::string token_;
  Instant token_read_at_ = kLongAgo;
  std::shared_ptr<http::TlsContext> tls_;
  http::ClientTls tls_material_;  // of tls_
};

/// Claims of a bound service account token (not verified: it is our own). Empty where it has none.
struct PodIdentity {
  std::string namespace_name, pod_name, pod_uid;
  std::string service_account = {};
};
PodIdentity pod_identity(const std::string& token);

}  // namespace baton::kube
