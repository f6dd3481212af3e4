// The proofs (a) and (b) of design section 5: who has said that its work of the present term has
// ended, and whose holding connections have closed. Shared by the listeners; any thread.
//
// Without configured holders anyone speaks for all. With them, each must have ended: by saying so,
// or by the end of its holding connections. That end counts only while the term is drained, after
// at least one holding connection in this term, and if no answer has given validity away since the
// last one closed: the next process of a restarted application may have read it. A connection that
// we cut ourselves proves nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/status_board.h"
#include "election/event.h"

namespace baton::api {

class WorkLedger {
 public:
  explicit WorkLedger(const std::vector<std::string>& holders);

  /// "" if `name` may speak, else one line naming those who may. Without configured holders every
  /// name may.
  std::string check_name(const std::string& name) const;

  // `name` has passed check_name().
  void opened(const std::string& name);
  /// `answers` is StatusBoard::answers() now.
  void closed(const std::string& name, bool by_peer, std::uint64_t answers);
  /// False, and nothing done, if `term_id` is not the last term of this candidate that was seen.
  bool said_drained(const StatusView& view, const std::string& term_id, const std::string& name);

  /// Posts the proof that the work of the board's term has ended, if it is there, once. What a
  /// caller posts after this comes after it, whoever found the proof. `post` must not call back.
  void post_proof(const StatusBoard& board, const std::function<void(election::Event)>& post);

 private:
  struct Holder {
    int open = 0;               // holding connections
    bool has_held = false;      // had one open in this term
    bool was_cut = false;       // lost one by our doing
    bool said_drained = false;  // of this term
    std::uint64_t answers = 0;  // when the last one closed
  };
  Holder& holder(const std::string& name) { return holders_.at(is_named_ ? name : ""); }
  void see(const StatusView& view);

  const bool is_named_;
  mutable std::mutex mutex_;               // protects what follows
  std::map<std::string, Holder> holders_;  // the keys never change
  std::uint64_t change_ = 0;  // of the latest view seen; another listener's may be older
  std::string term_id_;
  bool was_draining_ = false;
  bool has_proven_ = false;
};

}  // namespace baton::api
