// Who may pass of one scope. Decides and waits for nothing: what takes time is done by the hooks,
// which report back. One thread at a time.
//
// A higher token is first recorded; then what is in flight with lower ones ends by itself or, after
// the time to drain, is cut; only then is it let through. From the moment it is seen lower ones are
// refused, also if it cannot be recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace baton::fence {

enum class Refusal { stale, jump, not_recorded };

/// A request at the gate. Told either to go or that it is refused, at most once. None of these may
/// call the gate.
class Passage {
 public:
  virtual ~Passage() = default;
  virtual void forward() = 0;
  /// `detail`: why it was not recorded.
  virtual void refuse(Refusal why, std::int64_t highest, const std::string& detail) = 0;
  /// It was told to go and must end now; its end is told by Gate::leave(). May come twice.
  virtual void cut(std::int64_t highest) = 0;
};
using PassagePointer = std::shared_ptr<Passage>;

class Gate {
 public:
  struct Hooks {
    std::function<void(std::int64_t token)> record;  // then calls recorded(), once and later
    std::function<void(std::int64_t token)> drain;   // calls drained() when the time is over
  };

  /// `highest` is what was recorded; a token more than `max_jump` above is refused.
  Gate(std::int64_t highest, std::int64_t max_jump, Hooks hooks)
      : max_jump_(max_jump), hooks_(std::move(hooks)), highest_(highest), recorded_(highest) {}

  void arrive(const PassagePointer& passage, std::int64_t token);
  /// It has ended, or waits no longer.
  void leave(const PassagePointer& passage);
  /// `error`: "" if `token` is on the disk.
  void recorded(std::int64_t token, const std::string& error);
  /// Cuts what is in flight with a token below `token`.
  void drained(std::int64_t token);

  std::int64_t highest() const { return highest_; }
  std::size_t in_flight() const { return in_flight_.size(); }
  bool is_empty() const { return in_flight_.empty() && waiting_.empty(); }

 private:
  void settle();
  void refuse_waiting(Refusal why, const std::string& detail);

  const std::int64_t max_jump_;
  const Hooks hooks_;
  std::int64_t highest_;   // seen
  std::int64_t recorded_;  // at most highest_
  bool is_recording_ = false;
  std::map<PassagePointer, std::int64_t> in_flight_;  // with their tokens
  std::vector<PassagePointer> waiting_;               // all with highest_
};

}  // namespace baton::fence
