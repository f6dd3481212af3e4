// What others need to know of a running test cluster, as files in one folder: a kubeconfig per
// user, `kind`, `control`, and last of all `ready`. `e2e/control-plane` does for a real one.
#pragma once

#include <string>
#include <vector>

#include "devserver/users.h"

namespace baton::devserver {

struct ClusterFiles {
  std::string server_url;
  std::string control_url;
  std::string ca_pem;
  std::string other_ca_pem;  // of wrong-ca.kubeconfig
};

/// Makes the folder if needed. "" or one line that names the file and the reason.
std::string write_cluster_files(const std::string& folder, const ClusterFiles& files,
                                const std::vector<User>& users);

}  // namespace baton::devserver
