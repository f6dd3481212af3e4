// Whether the leader's Service leads to this Pod, as the status document, /readyz?verbose and the
// metrics show it. A mutex of its own: the thread that leads traffic and the listeners take it, the
// election's never.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace baton::api {

struct TrafficState {
  enum class Leads { unknown, here, away };
  Leads leads = Leads::unknown;
  std::string reason;  // of the last failure that nothing has mended since, and the mend; or ""

  bool operator==(const TrafficState&) const = default;
};

constexpr const char* to_string(TrafficState::Leads leads) {
  using Leads = TrafficState::Leads;
  return leads == Leads::here ? "here" : leads == Leads::away ? "away" : "unknown";
}

class TrafficBoard {
 public:
  struct View {
    TrafficState state;
    std::uint64_t change = 0;  // counts what differed from the state before it
  };

  /// Whether it is a change.
  bool publish(const TrafficState& state) {
    const std::lock_guard lock(mutex_);
    if (state == shown_.state) return false;
    shown_ = {state, shown_.change + 1};
    return true;
  }
  View read() const {
    const std::lock_guard lock(mutex_);
    return shown_;
  }

 private:
  mutable std::mutex mutex_;
  View shown_;
};

}  // namespace baton::api
