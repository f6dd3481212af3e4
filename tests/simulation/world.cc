#include "simulation/world.h"

#include <algorithm>
#include <cmath>
#include <utility>

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
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const std::size_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot] = std::move(what);
  heap_.push_back({std::max(when, now_), ++sequence_, slot});
  std::push_heap(heap_.begin(), heap_.end());
}

void World::run_until(Time end) {
  while (!heap_.empty() && heap_.front().when <= end && !is_endless()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Happening next = heap_.back();
    heap_.pop_back();
    const std::function<void()> what = std::exchange(slots_[next.slot], nullptr);
    free_slots_.push_back(next.slot);
    now_ = next.when;
    what();
  }
  now_ = end;
}

}  // namespace baton::simulation
