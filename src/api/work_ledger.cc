#include "api/work_ledger.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/text.h"

namespace baton::api {

using election::Proof;
using election::State;

WorkLedger::WorkLedger(const std::vector<std::string>& holders) : is_named_(!holders.empty()) {
  for (const std::string& name : holders) holders_[name];
  if (!is_named_) holders_[""];
}

std::string WorkLedger::check_name(const std::string& name) const {
  if (!is_named_ || holders_.contains(name)) return "";
  std::string known;
  for (const auto& [holder, unused] : holders_) known += (known.empty() ? "" : ", ") + holder;
  return "name: \"" + printable(name) + "\" is none of the configured holders; use one of " + known;
}

void WorkLedger::opened(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Holder& one = holder(name);
  ++one.open;
  one.has_held = true;
  if (is_named_) one.was_cut = false;  // it came back and holds anew; unnamed, it may be another
}

void WorkLedger::closed(const std::string& name, bool by_peer, std::uint64_t answers) {
  const std::lock_guard lock(mutex_);
  Holder& one = holder(name);
  --one.open;
  one.was_cut |= !by_peer;
  one.answers = answers;
}

bool WorkLedger::said_drained(const StatusView& view, const std::string& term_id,
                              const std::string& name) {
  const std::lock_guard lock(mutex_);
  see(view);
  if (term_id.empty() || term_id != term_id_) return false;
  holder(name).said_drained = true;
  return true;
}

void WorkLedger::post_proof(const StatusBoard& board,
                            const std::function<void(election::Event)>& post) {
  const StatusView view = board.read();
  const std::uint64_t answers = board.answers();  // after that
  const std::lock_guard lock(mutex_);
  see(view);
  if (has_proven_ || term_id_.empty() || view.status.term_id != term_id_) return;
  Proof proof = Proof::drained;
  for (const auto& [name, one] : holders_) {
    if (one.said_drained) continue;
    const bool has_closed = one.has_held && one.open == 0 && !one.was_cut && one.answers == answers;
    if (!has_closed || view.status.state != State::draining) return;
    proof = Proof::connections_closed;
  }
  has_proven_ = true;
  failpoint(Failpoint::proof_before_post);
  post(election::WorkEnded{proof, term_id_});
}

void WorkLedger::see(const StatusView& view) {
  if (view.change < change_) return;
  change_ = view.change;
  const election::Status& status = view.status;
  const bool is_draining = status.state == State::draining;
  if (was_draining_ && !is_draining) has_proven_ = false;  // an announcement may have expired
  was_draining_ = is_draining;
  if (status.term_id.empty() || status.term_id == term_id_) return;
  term_id_ = status.term_id;
  has_proven_ = false;
  for (auto& [name, one] : holders_) one = {.open = one.open, .has_held = one.open > 0};
}

}  // namespace baton::api
