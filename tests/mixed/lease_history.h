// Every version of one Lease, as a watch shows it, from construction to stop(). The watch runs on
// its own thread; reading is for any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

namespace baton::test {

struct LeaseVersion {
  std::int64_t seen_ns = 0;  // CLOCK_BOOTTIME
  std::int64_t version = 0;
  bool deleted = false;
  std::string holder;
  std::int64_t duration_s = 0;
  /// Where baton holds it: its token and term id; else 0 and "".
  std::int64_t token = 0;
  std::string term_id = {};
};

class LeaseHistory {
 public:
  explicit LeaseHistory(const std::string& election);
  ~LeaseHistory();

  void stop();
  std::vector<LeaseVersion> versions() const;
  /// Of the newest version; "" if it has none or is gone.
  std::string holder() const;

 private:
  void run();
  void take(const nlohmann::json& event);

  const std::string election_;
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;
  std::vector<LeaseVersion> versions_;
  std::thread thread_;
};

/// What is wrong with the order of the tokens of baton's terms in the Lease itself; empty if they
/// rise with each of them.
std::vector<std::string> token_violations(const std::vector<LeaseVersion>& versions);

}  // namespace baton::test
