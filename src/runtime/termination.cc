#include "runtime/termination.h"

namespace baton::runtime {

TerminationProof judge_termination(config::Sidecar sidecar, const kube::OwnPod& pod,
                                   Duration since_sigterm) {
  if (!pod.deletion_s) return TerminationProof::only_container_replaced;
  if (sidecar != config::Sidecar::native) return TerminationProof::none;
  // All three times are whole seconds, cut off. The Pod's end must lie more than 1.5 s ahead, and
  // the request to end it must have come in an earlier second than the SIGTERM: within the same
  // second their order cannot be known, and a container restarted just before its Pod is deleted
  // must not pass for a Pod whose work has ended.
  const bool early_enough = *pod.deletion_s - pod.server_date_s >= 2;
  const auto sigterm_s =
      pod.server_date_s - std::chrono::floor<std::chrono::seconds>(since_sigterm).count();
  const bool asked_before = *pod.deletion_s - pod.deletion_grace_s < sigterm_s;
  return early_enough && asked_before ? TerminationProof::work_has_ended : TerminationProof::none;
}

}  // namespace baton::runtime
