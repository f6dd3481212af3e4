#include "kube/cluster.h"

#include <unistd.h>

#include <boost/algorithm/string/join.hpp>
#include <cstdlib>

#include "base/text.h"

namespace baton::kube {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<Cluster> in_cluster(const std::string& mount) {
  Cluster cluster;
  cluster.source = "in-cluster";
  cluster.is_in_cluster = true;
  cluster.endpoint.host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (cluster.endpoint.host.empty()) {
    return Error{
        "in-cluster: KUBERNETES_SERVICE_HOST is not set; in a Pod the kubelet sets it, "
        "elsewhere name a kubeconfig"};
  }
  const auto number = parse_integer(port, 1, 65535);
  if (!number) {
    return Error{"in-cluster: KUBERNETES_SERVICE_PORT is '" + printable(port, 60) +
                 "', must be 1 to 65535"};
  }
  cluster.endpoint.port = static_cast<std::uint16_t>(*number);
  cluster.ca_file = mount + "/ca.crt";
  cluster.token_file = mount + "/token";
  if (access(cluster.token_file.c_str(), F_OK) != 0) {
    return Error{"in-cluster: no service account token at " + cluster.token_file +
                 "; set automountServiceAccountToken: true on the Pod, or mount a projected token "
                 "there"};
  }
  if (const auto text = read_file(mount + "/namespace", 4096); text.ok()) {
    cluster.namespace_name = trim(text.value());
  }
  std::vector<std::string> wrong = check_files(cluster);
  for (std::string& why : wrong) why.insert(0, "in-cluster: ");
  if (!wrong.empty()) return Error{boost::join(wrong, "\n")};
  return cluster;
}

Result<Cluster> find_cluster(const std::string& kubeconfig, const std::string& context) {
  if (!kubeconfig.empty() || !context.empty() || !environment("KUBECONFIG").empty()) {
    return from_kubeconfig(kubeconfig, context);
  }
  if (!environment("KUBERNETES_SERVICE_HOST").empty()) return in_cluster();
  const std::string home = environment("HOME");
  if (!home.empty() && access((home + "/.kube/config").c_str(), F_OK) == 0) {
    return from_kubeconfig("", "");
  }
  return Error{
      "no cluster found: KUBERNETES_SERVICE_HOST is not set (no Pod), KUBECONFIG is not set and "
      "there is no ~/.kube/config; run in a Pod or give --kubeconfig"};
}

}  // namespace baton::kube
