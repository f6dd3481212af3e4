// One candidate on client-go's leader election, as its documentation has it used: an identity of
// its own per start, and the process ends when its leadership is lost. Ended by SIGKILL with the
// object; its log outlives it.
#pragma once

#include <string>
#include <vector>

#include "support/api.h"
#include "support/belief_log.h"
#include "support/process.h"

namespace baton::test {

struct ClientGoOptions {
  std::string election;
  std::string id = "client-go";
  std::string user = "client-go-0";  // whose kubeconfig
  /// Lease duration 3 s, renew deadline 2 s, retry period 0.5 s, as baton's aggressive profile has.
  std::vector<std::string> flags = {"-lease-duration=3s", "-renew-deadline=2s",
                                    "-retry-period=500ms", "-release-on-cancel"};
};

class ClientGo {
 public:
  explicit ClientGo(const ClientGoOptions& options);

  Process& process() { return process_; }
  const std::string& id() const { return id_; }
  bool leads();
  /// The identity of the leader that it sees; "" if none.
  std::string followed();
  std::string log() const { return process_.output(); }

 private:
  std::string id_;
  std::uint16_t port_;
  Process process_;
  LocalClient local_;
};

/// Its term, from OnStartedLeading until the context given to it was done, which no deadline ends:
/// a process that never said so believed until it ended, at `ended_ns`. One at most.
std::vector<Term> client_go_terms(const std::string& who, const std::string& log,
                                  std::int64_t ended_ns);

}  // namespace baton::test
