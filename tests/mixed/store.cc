#include "mixed/store.h"

#include <algorithm>

#include "support/process.h"

namespace baton::test {

bool Store::admit(std::int64_t token) {
  const bool accepted = token >= counts_.highest_token;
  counts_.highest_token = std::max(counts_.highest_token, token);
  return accepted;
}

bool Store::seal(const std::string& client, std::int64_t token) {
  const std::int64_t call_ns = boottime_ns();
  const std::lock_guard lock(mutex_);
  const bool accepted = admit(token);
  history_.push_back({client, "seal", token, 0, accepted, call_ns, boottime_ns()});
  return accepted;
}

Store::Values Store::read(const std::string& client) {
  const std::int64_t call_ns = boottime_ns();
  const std::lock_guard lock(mutex_);
  history_.push_back({client, "read", 0, counts_.values.fenced, false, call_ns, boottime_ns()});
  return counts_.values;
}

bool Store::write(const std::string& client, std::int64_t token, Values values) {
  const std::int64_t call_ns = boottime_ns();
  const std::lock_guard lock(mutex_);
  counts_.values.twin = values.twin;
  ++counts_.twin_writes;
  const bool accepted = admit(token);
  if (accepted) {
    counts_.values.fenced = values.fenced;
  }
  ++(accepted ? counts_.accepted : counts_.refused);
  history_.push_back({client, "write", token, values.fenced, accepted, call_ns, boottime_ns()});
  return accepted;
}

Store::Counts Store::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<Operation> Store::history() const {
  const std::lock_guard lock(mutex_);
  return history_;
}

}  // namespace baton::test
