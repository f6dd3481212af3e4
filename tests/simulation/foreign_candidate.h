// A candidate with client-go's rules: polls every retry period, 1 to 2.2 times that while it
// follows; counts its belief from the answer, and up to a retry period longer; times others from
// when it saw them change, by the duration that their record carries; takes an unheld record at
// once; renews over the version it remembers and reads only when that fails; leads on when it sees
// another holder, until the renew deadline; knows nothing of tokens, and keeps what is not spec.
// When it stops it reads the newest version and, if its memory says that it leads, clears the
// holder, whoever that is by then.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "simulation/api_server.h"

namespace baton::simulation {

class ForeignCandidate {
 public:
  struct Timings {  // client-go's defaults: 15, 10 and 2 s
    Duration lease_duration;
    Duration renew_deadline;
    Duration retry_period;
  };

  ForeignCandidate(World& world, ApiServer& server, Invariants& invariants, std::string identity,
                   Timings timings);

  void start();
  /// Its process ends without a word.
  void leave();
  /// Its context is cancelled: it releases (ReleaseOnCancel), ends and is started again. False if
  /// it does not believe that it leads.
  bool cancel();
  /// Nothing that it sends arrives, nor what was to come back.
  void cut_off(Time until) { cut_until_ = std::max(cut_until_, until); }
  bool leads() const { return leads_; }

 private:
  using Serve = std::function<devserver::Stored()>;
  using Answered = std::function<void(const devserver::Stored*)>;  // null: no answer in time

  void exchange(Serve serve, Answered answered);
  void attempt_after(Duration delay);
  void attempt();  // tryAcquireOrRenew
  void read();
  void put(nlohmann::json body, bool is_fast);
  void attempted(bool ok);
  void observe(const devserver::Object& object);
  void release_and_restart();
  std::string observed_holder() const;
  bool is_observed_valid() const;

  World& world_;
  ApiServer& server_;
  Invariants& invariants_;
  std::string identity_;
  Timings timings_;
  Time cut_until_{0};
  bool here_ = false;
  std::uint64_t life_ = 0;      // what was begun in another one is over
  std::uint64_t exchange_ = 0;  // the one under way
  bool leads_ = false;
  Time deadline_{0};  // of the renewal under way
  devserver::Object observed_;
  Time observed_at_{0};
};

}  // namespace baton::simulation
