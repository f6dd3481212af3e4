// The two ways of leading a Service's traffic to the leader (design section 4): the EndpointSlice
// of a selector-less Service, replaced in one write, and a label on the own Pod. Over the side
// client, so not for the election's threads: each call blocks for one request timeout at most.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "election/event.h"
#include "kube/cluster.h"
#include "kube/side_client.h"

namespace baton::kube {

/// One thread.
class Route {
 public:
  virtual ~Route() = default;
  /// What is written, as requests are named in metrics.
  virtual const char* name() const = 0;
  /// Leads the traffic here for the term of `token`; writes nothing if it does so already. `leads`
  /// is asked after each reading: once it says no, nothing more is written. Empty: done.
  virtual std::optional<election::Failure> show(election::Token token,
                                                const std::function<bool()>& leads) = 0;
  /// Whether the next leader's show() moves the traffic in one write. Taking it away before that is
  /// a change of its own for kube-proxy, which waits a second between two of them.
  virtual bool moves_in_one_write() const = 0;
  /// Takes the traffic away if it leads here, and leaves alone what leads to another. Empty: done.
  virtual std::optional<election::Failure> withdraw() = 0;
};

/// The EndpointSlice `service` of the Service `service`. It carries the term's token: one with a
/// higher token is never replaced.
std::unique_ptr<Route> slice_route(std::shared_ptr<SideClient> side, PodIdentity own_pod,
                                   const std::string& service,
                                   std::vector<config::ServicePort> ports,
                                   election::Duration timeout);

/// The label baton/leader on the own Pod, with the election's name as its value. Takes it off every
/// other Pod first.
std::unique_ptr<Route> label_route(std::shared_ptr<SideClient> side, PodIdentity own_pod,
                                   const std::string& election, election::Duration timeout);

}  // namespace baton::kube
