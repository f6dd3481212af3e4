// The Lease that was read last, by its text.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "election/lease.h"

namespace baton::kube {

class LastLease {
 public:
  /// As decode_lease(), which is asked once per text: the answer to a write and the watch's event
  /// of it show the same object, byte for byte, at about the same time. Any thread; whoever comes
  /// second waits for the first.
  Result<election::Lease> decode(std::string_view json);

 private:
  std::mutex mutex_;  // protects what follows
  std::string text_;  // "": none
  election::Lease lease_;
};

}  // namespace baton::kube
