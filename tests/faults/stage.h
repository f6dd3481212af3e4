// What every fault test plays on: candidates behind the fault proxy, applications beside them that
// write to a fenced store, a watch that keeps the Lease's history, and the checker at the end.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

#include "http/server.h"
#include "support/candidates.h"
#include "support/checker.h"
#include "support/proxy.h"

namespace baton::test {

/// Refuses a token below the highest that it has seen, in the same step as the write.
class FencedStore {
 public:
  FencedStore();
  ~FencedStore() { server_->stop(); }
  std::uint16_t port() const;
  std::vector<StoreWrite> writes() const;
  std::size_t count(const std::string& writer, bool accepted) const;

 private:
  mutable std::mutex mutex_;
  std::vector<StoreWrite> writes_;  // protected by mutex_
  std::int64_t highest_ = 0;        // protected by mutex_
  std::unique_ptr<http::Server> server_;
};

/// Every version of one Lease, by a watch as admin on the API server itself.
class LeaseHistory {
 public:
  LeaseHistory(const std::string& kubeconfig, const std::string& election);
  ~LeaseHistory();
  std::vector<LeaseVersion> versions() const;
  bool is_broken() const { return is_broken_; }

 private:
  void follow();
  void add(const nlohmann::json& lease, bool is_deleted);

  const std::string election_;
  std::shared_ptr<kube::Credentials> credentials_;
  std::atomic<bool> stopping_ = false, is_broken_ = false;
  mutable std::mutex mutex_;
  std::vector<LeaseVersion> versions_;  // protected by mutex_
  std::atomic<std::int64_t> from_ = 0;
  std::thread thread_;
};

/// One for a test binary.
Proxy& proxy();

struct StageOptions {
  int candidates = 2;
  bool with_applications = true;
  std::function<void(BatonOptions&)> change =
      {};                               // of one candidate's options, after the stage's own
  std::string history_kubeconfig = {};  // "": of the test cluster's admin
  bool restores = false;                // the test takes the store back
  /// Where the candidates' clocks are wrong: a log in true time. What they sent is not judged then.
  std::function<std::string(const NamedLog& log)> in_true_time = {};
  int requests_per_s = 60;  // aggressive: a pause of 50 ms at least after each failure, and up to
                            // three requests between two pauses
};

/// Leaves a Lease that was released, so that nobody waits for it at first.
void begin_released(const std::string& election);

/// For tests that say "nothing is lost": aggressive, but with a request timeout of 2 s, and as
/// short a renew deadline as R15 then allows. Aggressive's own 400 ms three times over can pass
/// while a process has no processor, as under a sanitizer.
inline const std::vector<std::string> kUnhurried = {
    "--lease-duration=9s", "--renew-deadline=7200ms", "--request-timeout=2s"};
/// Adds these, and begins with a Lease that was released.
void unhurried(BatonOptions& options);

class Stage {
 public:
  explicit Stage(const StageOptions& options = {});
  /// Checks, so that no test forgets it.
  ~Stage();

  Candidates& candidates() { return *candidates_; }
  Baton& at(int index) { return candidates_->at(index); }
  const std::string& election() const { return candidates_->election(); }
  FencedStore& store() { return store_; }
  Process& application(int index) { return *applications_[static_cast<std::size_t>(index)]; }

  /// The index of the leader; fails the test and is -1 if there is none.
  int leader(int not_this = -1) { return candidates_->wait_for_leader(not_this); }
  /// A fault for this election only; `user` -1: of every candidate.
  nlohmann::json fault(int user, const nlohmann::json& wish) const;
  /// Waits for so many renewals of this candidate from now on.
  bool renews(int index, std::size_t times);
  /// Waits until any one of them has renewed so many times from now on; its index, or -1.
  int one_renews(std::size_t times);
  /// Accepted writes of the application `index` from now on.
  bool writes(int index, std::size_t times);
  std::size_t terms() const;

  Report check();

 private:
  StageOptions options_;
  FencedStore store_;
  std::int64_t first_request_ = 0;
  std::unique_ptr<LeaseHistory> history_;
  std::map<std::size_t, Process::Environment> environments_;  // of the sidecars
  std::unique_ptr<Candidates> candidates_;
  std::vector<std::unique_ptr<Process>> applications_;
  bool is_checked_ = false;
};

std::string user_name(int index);

}  // namespace baton::test
