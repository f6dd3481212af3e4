#include "simulation/world.h"

#include <algorithm>
#include <cmath>

namespace baton::simulation {

std::uint64_t Random::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

Duration Random::exponential(Duration mean) { return scaled(mean, -std::log(1.0 - unit())); }

// Runs last well under 9,000 s, so a time in ns times a million fits 63 bits.
Instant MachineClock::local(Time real) const {
  return Instant(offset + real + Duration(real.count() * ppm / 1'000'000));
}

Time MachineClock::real(Instant local) const {
  constexpr Duration kRun = 9000s;
  if (local > this->local(kRun)) {
    return kRun;
  }
  if (local < this->local(-kRun)) {
    return -kRun;
  }
  const std::int64_t elapsed = (local.time_since_epoch() - offset).count();
  Time guess(elapsed * 1'000'000 / (1'000'000 + ppm));
  while (this->local(guess) >= local) {
    --guess;
  }
  while (this->local(guess) < local) {
    ++guess;
  }
  return guess;
}

void World::at(Time when, std::function<void()> what) {
  heap_.push_back({std::max(when, now_), ++sequence_, std::move(what)});
  std::push_heap(heap_.begin(), heap_.end());
}

void World::run_until(Time end) {
  while (!heap_.empty() && heap_.front().when <= end && !is_endless()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Happening next = std::move(heap_.back());
    heap_.pop_back();
    now_ = next.when;
    next.what();
  }
  now_ = end;
}

}  // namespace baton::simulation
