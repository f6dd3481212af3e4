#include "runtime/termination.h"

namespace baton::runtime {

TerminationProof judge_termination(config::Sidecar sidecar, const kube::OwnPod& pod,
                                   Duration since_sigterm) {
  if (!pod.deletion_s) return TerminationProof::only_container_replaced;
  if (sidecar != config::Sidecar::native) return TerminationProof::none;
  // The server's times are whole seconds, cut off. The Pod's end must lie more than 1.5 s ahead.
  if (*pod.deletion_s - pod.server_date_s < 2) return TerminationProof::none;
  // The request to end it must have come before the SIGTERM: a container restarted just before its
  // Pod is deleted must not pass for a Pod whose work has ended. It came before the end of its
  // second; the SIGTERM came at `server_date_s` less `since_sigterm` at the earliest.
  const std::int64_t asked_before_s = *pod.deletion_s - pod.deletion_grace_s + 1;
  const bool is_later = std::chrono::duration<double>(since_sigterm).count() <=
                        static_cast<double>(pod.server_date_s - asked_before_s);
  return is_later ? TerminationProof::work_has_ended : TerminationProof::open;
}

}  // namespace baton::runtime
