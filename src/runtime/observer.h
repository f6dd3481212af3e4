// Words what the election decides: a log line, metrics and Kubernetes Events for each notice.
#pragma once

#include <memory>
#include <string>

#include "election/action.h"
#include "election/status.h"
#include "kube/side_client.h"
#include "observe/metrics.h"
#include "runtime/side_worker.h"

namespace baton::runtime {

class Observer {
 public:
  /// `side` null: no Kubernetes Events. `event` is the template of the Events: all but the message.
  Observer(std::shared_ptr<observe::Metrics> metrics, SideWorker& worker,
           std::shared_ptr<kube::SideClient> side, kube::LeaseEvent event);

  /// Election's thread; hands over and returns.
  void notice(const election::Notice& notice, const election::Status& status);

 private:
  void send_event(const std::string& verb);

  const std::shared_ptr<observe::Metrics> metrics_;
  SideWorker& worker_;
  const std::shared_ptr<kube::SideClient> side_;
  const kube::LeaseEvent event_;
};

}  // namespace baton::runtime
