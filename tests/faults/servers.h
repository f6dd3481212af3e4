// More servers of the real test cluster: its own command lines run again with other flags, so that
// a test may kill, stop, restore and restart them while the cluster itself goes on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/process.h"

namespace baton::test {

/// Processes of the cluster: "etcd" or "kube-apiserver".
pid_t pid_in_cluster(const std::string& name);

/// A kube-apiserver on a port that it keeps, on the cluster's etcd or another one.
class ApiServerCopy {
 public:
  /// `flags` replace those of the cluster's own.
  explicit ApiServerCopy(std::map<std::string, std::string> flags = {});
  /// Returns when it is ready; also after kill().
  void start();
  void kill();
  Process& process() { return *process_; }
  std::string kubeconfig(const std::string& user) const {
    return folder_ + "/" + user + ".kubeconfig";
  }
  const std::string& folder() const { return folder_; }

 private:
  void write_kubeconfigs();

  std::string folder_;
  std::uint16_t port_;
  std::map<std::string, std::string> flags_;
  std::unique_ptr<Process> process_;
};

/// The database of the cluster's etcd as it is now, which etcdutl takes for a snapshot.
void copy_database(const std::string& path);

/// An etcd that was restored from such a copy by etcdutl. bump 0: without --bump-revision.
class RestoredEtcd {
 public:
  RestoredEtcd(const std::string& database, std::int64_t bump);
  const std::string& url() const { return url_; }

 private:
  std::string url_;
  std::unique_ptr<Process> process_;
};

}  // namespace baton::test
