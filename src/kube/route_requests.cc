#include "kube/route_requests.h"

#include "kube/lease_codec.h"

namespace baton::kube {

using election::FailureKind;

SideAnswer RouteRequests::send(const std::string& method, const std::string& api,
                               const std::string& rest, const std::string& body) {
  const std::string query = method == "GET" ? "" : "?fieldManager=baton";
  return side_->request(method, api + "/namespaces/" + namespace_ + rest + query, body,
                        deadline_ - boot_now());
}

election::Failure RouteRequests::failed(const std::string& what, const SideAnswer& answer) const {
  election::Failure failure{FailureKind::unknown, {}, explain(what, answer)};
  if (answer.status != 0) failure.kind = failure_kind(answer.status);
  if (answer.status == 403) {
    failure.what += "; bind the Role 'traffic', or another that allows " + needs_ +
                    " in namespace '" + namespace_ + "', to this identity";
  }
  return failure;
}

}  // namespace baton::kube
