#include "fence/gate.h"

#include <algorithm>
#include <utility>

namespace baton::fence {

void Gate::arrive(const PassagePointer& passage, std::int64_t token) {
  if (token < highest_) return passage->refuse(Refusal::stale, highest_, "");
  if (token - highest_ > max_jump_) return passage->refuse(Refusal::jump, highest_, "");
  if (token > highest_) {
    highest_ = token;
    refuse_waiting(Refusal::stale, "");
  }
  waiting_.push_back(passage);
  settle();
}

void Gate::leave(const PassagePointer& passage) {
  in_flight_.erase(passage);
  std::erase(waiting_, passage);
  settle();
}

void Gate::recorded(std::int64_t token, const std::string& error) {
  is_recording_ = false;
  if (!error.empty()) return refuse_waiting(Refusal::not_recorded, error);
  recorded_ = std::max(recorded_, token);
  if (!in_flight_.empty()) hooks_.drain(recorded_);
  settle();
}

void Gate::drained(std::int64_t token) {
  for (const auto& [passage, its_token] : in_flight_) {
    if (its_token < token) passage->cut(highest_);
  }
}

/// The next step for those that wait.
void Gate::settle() {
  if (waiting_.empty()) return;
  if (recorded_ < highest_) {
    if (!std::exchange(is_recording_, true)) hooks_.record(highest_);
    return;
  }
  const auto is_lower = [this](const auto& flight) { return flight.second < highest_; };
  if (std::ranges::any_of(in_flight_, is_lower)) return;
  for (const PassagePointer& passage : std::exchange(waiting_, {})) {
    in_flight_.emplace(passage, highest_);
    passage->forward();
  }
}

void Gate::refuse_waiting(Refusal why, const std::string& detail) {
  for (const PassagePointer& passage : std::exchange(waiting_, {})) {
    passage->refuse(why, highest_, detail);
  }
}

}  // namespace baton::fence
