// Kubeconfigs. Beside the file lie ca.pem and token, for those that name them.
#include "base/text.h"
#include "devserver/certificate.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"
#include "http/wire.h"
#include "kube/cluster.h"

namespace baton::fuzz {

BATON_FUZZ_TARGET(kubeconfig) {
  static const Folder folder;
  static const bool is_prepared = [] {
    folder.write("ca.pem", devserver::CertificateAuthority().pem());
    folder.write("token", "secret\n");
    return true;
  }();
  require(is_prepared, "the files are there");
  const auto cluster = kube::from_kubeconfig(folder.write("kubeconfig", input), "");
  if (!cluster.ok()) {
    for (const std::string& line : lines_of(cluster.error())) require_one_line(line);
    return;
  }
  require(!cluster->endpoint.host.empty() && cluster->endpoint.port != 0, "there is a server");
  require(!cluster->path_prefix.ends_with('/'), "the path goes on with a '/'");
  kube::Credentials credentials(*cluster);
  const http::Request request{"GET",
                              cluster->path_prefix + "/apis",
                              {{"Authorization", "Bearer " + credentials.bearer()}},
                              ""};
  require(http::format_request(request, cluster->endpoint.authority).ok(),
          "an accepted kubeconfig gives requests that can be sent");
  kube::pod_identity(credentials.bearer());
}

}  // namespace baton::fuzz
