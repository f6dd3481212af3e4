// The requests of one attempt to change a route, which share one time limit.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "election/event.h"
#include "kube/side_client.h"

namespace baton::kube {

class RouteRequests {
 public:
  /// Attempts after a conflict. A Pod's status changes of itself; whoever else writes a slice does
  /// so once a term, more often is somebody's mistake.
  static constexpr int kTries = 3;

  /// `needs` are the rights that the route needs, for the mend.
  RouteRequests(std::shared_ptr<SideClient> side, std::string namespace_name, std::string needs,
                election::Duration timeout)
      : side_(std::move(side)),
        namespace_(std::move(namespace_name)),
        needs_(std::move(needs)),
        timeout_(timeout) {}

  void begin_attempt() { deadline_ = boot_now() + timeout_; }

  /// `api` as in "/api/v1"; `rest` follows the path of the namespace.
  SideAnswer send(const std::string& method, const std::string& api, const std::string& rest,
                  const std::string& body = "");
  /// `what` was tried, as in "update endpointslice shop/web".
  election::Failure failed(const std::string& what, const SideAnswer& answer) const;

 private:
  const std::shared_ptr<SideClient> side_;
  const std::string namespace_, needs_;
  const election::Duration timeout_;
  Instant deadline_ = kLongAgo;
};

}  // namespace baton::kube
