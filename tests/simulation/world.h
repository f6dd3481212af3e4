// The simulated world: real time, what happens when, chance from one seed, and the transcript.
// Everything random in a run comes from World::random(), so a seed replays it exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "election/time.h"

namespace baton::simulation {

using election::Duration;
using election::Instant;
using Time = std::chrono::nanoseconds;  // real time since the start of the run
using namespace std::chrono_literals;

inline Duration scaled(Duration duration, double factor) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(duration.count()) * factor));
}

inline double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

/// SplitMix64: the same numbers on every platform, unlike the distributions of the library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool chance(double p) { return unit() < p; }
  int below(int n) { return static_cast<int>(next() % static_cast<std::uint64_t>(n)); }
  Duration between(Duration from, Duration to) { return from + scaled(to - from, unit()); }
  Duration exponential(Duration mean);
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[next() % from.size()];
  }

 private:
  std::uint64_t state_;
};

/// CLOCK_BOOTTIME of one machine: any offset, a rate wrong by `ppm`.
struct MachineClock {
  Duration offset{0};
  int ppm = 0;

  Instant local(Time real) const;
  /// The first real time at which the clock shows `local` or more.
  Time real(Instant local) const;
};

class World {
 public:
  World(std::uint64_t seed, bool transcript) : random_(seed), tracing_(transcript) {}

  Time now() const { return now_; }
  Random& random() { return random_; }
  std::uint64_t events() const { return sequence_; }
  /// No run needs as many events: time would hardly move on.
  bool is_endless() const { return sequence_ > most_events_; }
  void expect_candidates(int count) { most_events_ += 10'000 * static_cast<std::uint64_t>(count); }

  /// What was decided, as one number: runs with equal digests decided the same at the same times.
  std::uint64_t digest() const { return digest_; }
  void decided(std::uint64_t what) { digest_ = (digest_ ^ what) * 1099511628211ULL; }

  void at(Time when, std::function<void()> what);
  void after(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  void run_until(Time end);

  bool tracing() const { return tracing_; }
  template <typename... Parts>
  void say(const Parts&... parts) {
    if (!tracing_) {
      return;
    }
    std::ostringstream line;
    line.precision(3);
    line << std::fixed << seconds(now_) << ' ';
    (line << ... << parts);
    std::cout << line.str() << '\n';
  }

 private:
  struct Happening {
    Time when;
    std::uint64_t sequence;
    std::size_t slot;  // of what happens then: the heap moves only what it compares
    bool operator<(const Happening& other) const {  // the queue has its largest on top
      return when != other.when ? when > other.when : sequence > other.sequence;
    }
  };

  Time now_{0};
  std::uint64_t sequence_ = 0;
  std::uint64_t most_events_ = 1'000'000;
  std::uint64_t digest_ = 14695981039346656037ULL;
  std::vector<Happening> heap_;
  std::vector<std::function<void()>> slots_;
  std::vector<std::size_t> free_slots_;
  Random random_;
  bool tracing_;
};

}  // namespace baton::simulation
