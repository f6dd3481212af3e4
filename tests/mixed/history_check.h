// The history of an election, judged by the published linearizability checker porcupine against a
// lock with fencing tokens (e2e/go/lock-history).
#pragma once

#include <string>
#include <vector>

#include "mixed/store.h"
#include "support/belief_log.h"

namespace baton::test {

/// The beginning and the end of each term of this baton log, as operations on the lock: a term is
/// acquired between the sending of its first write and the answer, and ends at a moment.
std::vector<Operation> lock_operations(const NamedLog& log);

struct HistoryVerdict {
  bool linearizable = false;
  std::string line;  // what the checker said
};
HistoryVerdict check_history(const std::vector<Operation>& history);

}  // namespace baton::test
