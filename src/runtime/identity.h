// Who this process is: its identity in the Lease, and the proof that it is its Pod's only baton.
#pragma once

#include <string>

#include "base/descriptor.h"
#include "base/result.h"
#include "config/settings.h"
#include "kube/cluster.h"

namespace baton::runtime {

struct Identity {
  std::string namespace_name;
  std::string pod_name;  // "" never: the host's name where no Pod is known
  std::string pod_uid;   // "" outside a Pod
  std::string holder;  // "<--id or pod name>_<first 8 of the UID, or local>_<16 random hex digits>"
  std::string legacy_name;  // --id or the Pod's name
};

/// Flags and environment first, then the claims of the service account's token (so that a Pod needs
/// no Downward API), then the host's name. In a Pod a namespace that nothing names is an error,
/// elsewhere it is "default".
Result<Identity> find_identity(const config::Settings& settings, kube::Credentials& credentials);

/// 64 bits from the kernel's generator.
std::uint64_t random_bits();

/// Rule R19. `incarnation` is "<Pod UID>/<boot id>/<network namespace inode>", and `socket` the
/// bound abstract Unix socket that only one process of the Pod can hold. Both empty without a Pod
/// UID.
struct Incarnation {
  std::string name;
  Descriptor socket;
};

/// The error names the other process: two sidecars of one election in one Pod.
Result<Incarnation> claim_incarnation(const Identity& identity, const std::string& election);

}  // namespace baton::runtime
