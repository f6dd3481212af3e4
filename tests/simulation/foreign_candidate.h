// A candidate that follows client-go's rules: polls, counts from the answer, knows nothing of
// tokens, takes an unheld record at once, keeps what it does not know; and its late release may
// clear whoever holds the Lease by then.
#pragma once

#include <string>

#include "simulation/api_server.h"

namespace baton::simulation {

class ForeignCandidate {
 public:
  struct Timings {
    Duration lease_duration;
    Duration renew_deadline;
    Duration retry_period;
  };

  ForeignCandidate(World& world, ApiServer& server, std::string identity, Timings timings);

  void start();
  void leave() { here_ = false; }
  bool leads() const { return leads_; }
  /// Reads the newest version and clears its holder, whoever that is. False if it cannot.
  bool release();

 private:
  void poll();
  void look();
  void write(nlohmann::json body);

  World& world_;
  ApiServer& server_;
  std::string identity_;
  Timings timings_;
  bool here_ = true;
  bool leads_ = false;
  Time renewed_{0};
  std::string observed_;
  Time observed_at_{0};
};

}  // namespace baton::simulation
