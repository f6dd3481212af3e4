#include "kube/last_lease.h"

#include "base/text.h"
#include "kube/lease_codec.h"

namespace baton::kube {

Result<election::Lease> LastLease::decode(std::string_view json) {
  const std::string_view text = trim(json);
  const std::lock_guard lock(mutex_);
  if (!text_.empty() && text == text_) return lease_;
  Result<election::Lease> lease = decode_lease(text);
  text_ = lease ? text : "";
  if (lease) lease_ = *lease;
  return lease;
}

}  // namespace baton::kube
