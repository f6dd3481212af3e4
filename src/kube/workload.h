// How the own Pod ends and how its workload replaces Pods: for `baton check`, which warns of what
// gets stuck. No election needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/side_client.h"

namespace baton::kube {

/// The object that controls another one; kind "" where there is none.
struct Owner {
  std::string kind, name;
};

struct PodSpec {
  std::int64_t grace_period_s = 0;
  bool is_ready_only_as_leader = false;  // a readinessProbe of it asks who leads
  bool is_on_host_network = false;
  bool shares_processes = false;  // among its containers, or with its node
  Owner owner;
};

/// A Deployment or a StatefulSet.
struct Workload {
  Owner self;
  std::int64_t replicas = 0;
  std::string strategy;                    // RollingUpdate, Recreate or OnDelete
  std::string max_unavailable, max_surge;  // as written, "1" or "25%"; "" where not
};

Result<PodSpec> decode_pod_spec(std::string_view json);
Result<Workload> decode_workload(std::string_view json);

Result<PodSpec> read_pod_spec(SideClient& side, const std::string& namespace_name,
                              const std::string& pod, Duration timeout);
/// Of a Pod's owner: itself, or the Deployment of a ReplicaSet.
Result<Workload> read_workload(SideClient& side, const std::string& namespace_name, Owner owner,
                               Duration timeout);

}  // namespace baton::kube
