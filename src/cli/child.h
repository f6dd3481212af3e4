// A process that dies with its parent: in a process group of its own, with a parent-death signal.
// One thread, the same for start() and wait, because the signal comes when that thread ends.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace baton::cli {

class Child {
 public:
  /// Looks the command up in PATH. The error says why it cannot be started.
  static Result<Child> start(const std::vector<std::string>& command,
                             const std::map<std::string, std::string>& environment);

  /// To the whole group.
  void signal(int number) const;

  /// Once the process has ended: kills what is left of its group, reaps it, and returns its exit
  /// code, or 128 + the signal. Empty while it runs.
  std::optional<int> poll_exit();

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_;  // also the group's
};

}  // namespace baton::cli
