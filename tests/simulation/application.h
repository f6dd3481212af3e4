// The application beside a sidecar: it polls, works until its deadline, and tells (or not) that its
// work has ended. It obeys its deadline unless it is stopped itself, and every write to its
// resource carries the token.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "simulation/sidecar.h"

namespace baton::simulation {

/// How the end of the work becomes known: POST /drained, the end of a holding connection, the exit
/// of the process; or not at all, but by the deadline.
enum class Says { drained, closes, exits, nothing };

struct ApplicationOptions {
  int pod;
  Says says;
  election::Timings timings;
  Duration recovery;  // from the first yes to ready-to-lead; negative: never says it
};

class Application {
 public:
  using Ask = std::function<std::optional<Answer>()>;
  using Tell = std::function<void(const election::Event&)>;

  Application(World& world, Invariants& invariants, const MachineClock& clock,
              ApplicationOptions options, Ask ask, Tell tell);

  void start();
  /// Its process ends: so does its work.
  void exit();
  void stop_until(Time until);
  /// Ends its work by its own will, and says so.
  void finish_work();
  /// One poll; the answer is taken at once.
  void poll();
  bool working() const { return alive_ && !term_id_.empty() && until_ > world_.now(); }

 private:
  void poll_again();
  void told_yes(const Answer& answer);
  void told_no();
  void finish(const std::string& term_id);
  void say_ended(const std::string& term_id);
  void write_to_resource();
  void report();

  World& world_;
  Invariants& invariants_;
  const MachineClock& clock_;
  ApplicationOptions options_;
  Ask ask_;
  Tell tell_;
  bool alive_ = false;
  Time stopped_until_{0};
  std::string term_id_;
  election::Token token_ = 0;
  Time until_{0};
  bool finishing_ = false;
  std::string ready_for_;
  std::set<std::string> said_;
};

}  // namespace baton::simulation
