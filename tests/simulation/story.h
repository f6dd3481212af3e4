// A run written by hand: so many replicas, clocks that agree, and what the test does to them.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "simulation/replica.h"
#include "simulation/simulation.h"

namespace baton::simulation {

class Story {
 public:
  explicit Story(int replicas, std::uint64_t seed = 1)
      : Story(std::vector<election::Timings>(static_cast<std::size_t>(replicas), balanced()),
              seed) {}
  /// `set` changes what one of them is told at its start, by its slot.
  using Set = std::function<void(int slot, election::Options& options)>;
  explicit Story(const std::vector<election::Timings>& replicas, std::uint64_t seed = 1,
                 const Set& set = nullptr)
      : world(seed, false), invariants(world), server(world, invariants, 1000) {
    world.expect_candidates(static_cast<int>(replicas.size()));
    const int count = static_cast<int>(replicas.size());
    for (int slot = 0; slot < count; ++slot) {
      election::Options options;
      options.replicas = count;
      options.timings = replicas[static_cast<std::size_t>(slot)];
      if (set) {
        set(slot, options);
      }
      replicas_.push_back(std::make_unique<Replica>(
          stage_, slot, ReplicaOptions{options, Says::drained, false, Duration{0}},
          MachineClock{}));
      replicas_.back()->start_pod();
    }
  }

  Replica& replica(int slot) { return *replicas_[static_cast<std::size_t>(slot)]; }
  Replica* leader() {
    const auto found = std::find_if(replicas_.begin(), replicas_.end(),
                                    [](const auto& replica) { return replica->believes(); });
    return found == replicas_.end() ? nullptr : found->get();
  }
  void run_for(Duration duration) { world.run_until(world.now() + duration); }
  /// Runs until `condition` holds, looked at every millisecond; the time it took. Negative: it
  /// did not within `limit`.
  Duration run_until(const std::function<bool()>& condition, Duration limit) {
    const Time start = world.now();
    while (!condition()) {
      if (world.now() - start > limit) {
        return Duration{-1};
      }
      run_for(1ms);
    }
    return world.now() - start;
  }
  /// Runs until someone leads, and a little on: the application has asked, everybody has seen it.
  Replica* run_until_led() {
    run_until([this] { return leader() != nullptr; }, 5 * timings.lease_duration);
    run_for(2s);
    return leader();
  }
  Duration run_until_another_leads_than(const Replica* old) {
    return run_until([this, old] { return leader() != nullptr && leader() != old; },
                     5 * timings.lease_duration);
  }
  /// Somebody annotates the Lease.
  void annotate(const char* key, const std::string& value) {
    server.edit("annotate", [&](LeaseParts lease) { lease.annotations[key] = value; });
  }
  /// Its application ends its work and says so, as soon as the leader drains.
  Duration run_until_drained(Replica& from) {
    const Duration took =
        run_until([&] { return from.sidecar()->status().state == election::State::draining; }, 10s);
    from.application()->finish_work();
    return took;
  }
  /// The leader's application ends its work, says so and resigns.
  void hand_over(Replica& from) {
    from.application()->finish_work();
    from.tell(election::Resign{});
  }
  long acquisitions() { return counts.writes["acquire"]; }

  election::Timings timings = balanced();
  World world;
  Invariants invariants;
  ApiServer server;
  Counts counts;

 private:
  Stage stage_{world, server, invariants, counts};
  std::vector<std::unique_ptr<Replica>> replicas_;
};

}  // namespace baton::simulation
