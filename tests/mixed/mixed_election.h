// Candidates of baton and of client-go on one Lease, with an application beside each baton, and a
// schedule of faults drawn from a seed: SIGKILL, SIGSTOP, releases, SIGTERM to one that is stopped,
// deletions of the Lease. Whatever ends is started again. Keeps all that a judge needs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "mixed/application.h"
#include "mixed/lease_history.h"
#include "mixed/overlaps.h"
#include "mixed/store.h"
#include "support/candidates.h"
#include "support/client_go.h"

namespace baton::test {

class MixedElection {
 public:
  static constexpr int kBatons = 3;
  static constexpr int kClientGos = 2;

  MixedElection(std::uint64_t seed, std::chrono::seconds length);

  /// A client-go candidate leads first, while every baton is stopped; then ours join. False if it
  /// did not get there.
  bool begin();
  /// Faults for the whole length; at its end every process runs again.
  void run();
  /// A leader of ours is stopped together with its application, which stands between its check and
  /// its write, and goes on when the next one has written: only the store can refuse. False if the
  /// election did not get there.
  bool write_late();
  /// Ends the applications, client-go's processes and the watch; everything below is then complete.
  void finish();

  Candidates& candidates() { return batons_; }
  const Store& store() const { return store_; }
  const std::map<std::string, int>& faults() const { return faults_; }
  std::vector<Belief> beliefs() const;
  std::vector<LeaseVersion> versions() const { return history_->versions(); }
  const std::vector<Stop>& stops() const { return stops_; }

 private:
  // Batons are 0 to kBatons - 1, then come client-go's.
  static constexpr int kActors = kBatons + kClientGos;
  struct Later {
    std::int64_t at_ns;
    std::function<void()> action;
  };

  Process& process(int actor);
  int leader() const;  // -1: nobody, or not yet seen
  std::string identity(int actor) const;
  void start_client_go(int index);
  void restart(int actor);
  void restart_what_ended();

  void inject(int kind);
  int victim();
  void kill(int actor);
  void stop(int actor);
  void release(int actor);
  void terminate_while_stopped(int actor);
  void remove_lease();

  void later(double seconds, std::function<void()> action);
  void run_due();
  double between(double low, double high);
  bool coin() { return between(0, 1) < 0.5; }

  std::mt19937_64 random_;
  const std::chrono::seconds length_;
  std::vector<std::uint16_t> ports_;
  Api admin_{"admin"};
  Candidates batons_;
  std::vector<std::unique_ptr<ClientGo>> client_gos_;
  int client_go_starts_ = 0;
  std::vector<Term> ended_client_go_terms_;
  Store store_;
  std::vector<std::unique_ptr<Application>> applications_;
  std::unique_ptr<LeaseHistory> history_;
  std::vector<bool> busy_ = std::vector<bool>(kActors);
  std::vector<Later> later_;
  std::vector<Stop> stops_;
  std::map<std::string, int> faults_;
  std::vector<int> bag_;
};

}  // namespace baton::test
