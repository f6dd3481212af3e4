// Everything of the API server that is no Lease: Pods, access reviews, Status bodies, and the
// claims of a service account token. And what baton writes from texts of any kind.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/findings.h"
#include "fuzz/target.h"
#include "kube/lease_codec.h"
#include "kube/object_codec.h"
#include "kube/workload.h"
#include "runtime/termination.h"

namespace baton::fuzz {

BATON_FUZZ_TARGET(object_json) {
  using nlohmann::json;
  if (const auto pod = kube::decode_pod(input); !pod.ok()) {
    require_one_line(pod.error());
  } else {
    require(!pod->uid.empty(), "a Pod has a uid");
    runtime::judge_termination(config::Sidecar::native, *pod, std::chrono::seconds(1));
  }
  if (const auto review = kube::decode_review(input); !review.ok()) {
    require_one_line(review.error());
  }
  require_one_line(kube::status_message(input));
  if (const auto spec = kube::decode_pod_spec(input); !spec.ok()) require_one_line(spec.error());
  if (const auto workload = kube::decode_workload(input); !workload.ok()) {
    require_one_line(workload.error());
  } else {
    std::ostringstream lines;
    cli::Findings findings(lines);
    cli::judge_roll_out(*workload, findings);
    require(std::ranges::count(lines.str(), '\n') == 1, "a finding is one line");
  }
  const kube::Claims claims = kube::decode_claims(input);
  const std::string text(input);
  const std::string event =
      kube::encode_event({text, text, text, claims.pod.pod_uid, text, text, text}, text,
                         "2026-01-02T03:04:05.000000Z");
  require(json::accept(event), "an Event is JSON whatever its texts are");
  require(json::accept(kube::encode_review({text, text, text, text, text})),
          "a review is JSON whatever its texts are");
}

}  // namespace baton::fuzz
