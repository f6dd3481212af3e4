// Several baton processes that elect one leader, and what the tests ask of them as a whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/baton.h"

namespace baton::test {

class Candidates {
 public:
  /// `count` processes p0, p1, … as candidate-0, candidate-1, …; `change` may alter each one's
  /// options.
  explicit Candidates(int count, const std::function<void(BatonOptions&)>& change = nullptr);
  /// Judges, so that no test forgets it.
  ~Candidates();

  const std::string& election() const { return election_; }
  Baton& at(int index) { return *batons_[static_cast<std::size_t>(index)]; }
  int count() const { return static_cast<int>(batons_.size()); }

  /// The index of the one that leads, once one does; -1 and a test failure if none does. `not_this`
  /// is passed over.
  int wait_for_leader(int not_this = -1);
  /// Kills it if it runs, and starts it anew; its old log counts for the judge too.
  void restart(int index);

  /// Two leaders at once, or tokens that do not rise, are test failures. How many terms there were.
  std::size_t judge();
  /// All logs, also of those that were restarted.
  std::vector<NamedLog> logs() const;

 private:
  BatonOptions options(int index) const;

  std::string election_;
  std::function<void(BatonOptions&)> change_;
  std::vector<std::unique_ptr<Baton>> batons_;
  std::vector<NamedLog> old_logs_;
};

}  // namespace baton::test
