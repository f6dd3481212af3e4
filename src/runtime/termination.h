// What the own Pod's object proves about a SIGTERM (design section 5 d).
#pragma once

#include "config/settings.h"
#include "kube/side_client.h"

namespace baton::runtime {

enum class TerminationProof {
  none,                     // wait for (a), (b), (c) or (e)
  open,                     // the server's clock, in whole seconds, leaves it open: read again
  work_has_ended,           // (d)
  only_container_replaced,  // no deletionTimestamp: the Pod lives on
};

/// `since_sigterm` is the time from the SIGTERM to the arrival of `pod`. The kubelet sends a native
/// sidecar its SIGTERM more than 1.5 s before the deletionTimestamp only when the main containers
/// have exited; when the grace period has run out it comes later than that.
TerminationProof judge_termination(config::Sidecar sidecar, const kube::OwnPod& pod,
                                   Duration since_sigterm);

}  // namespace baton::runtime
