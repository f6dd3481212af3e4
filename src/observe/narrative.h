// Words for what an election is given and what it makes of it, for transcripts and replays.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "election/action.h"
#include "election/event.h"
#include "election/status.h"

namespace baton::observe {

/// "watch: version 1002 as of 1002, held by a, token 1001, term 5f…".
std::string describe(const election::Event& event);

/// "PUT renew over 1002 5f… token=1001 draining"; `term` is the term's name, "" to leave it out.
std::string describe(const election::LeaseWrite& write, const std::string& term);

/// Tells one election's steps, fed in their order.
class Narrator {
 public:
  /// `name_of_term` gives term ids their names; none: as they are, and each decision names its
  /// rule, an acquisition its grounds too.
  explicit Narrator(std::function<std::string(const std::string&)> name_of_term = nullptr)
      : name_of_term_(std::move(name_of_term)) {}

  /// One line for each thing done, and one for the state if it has changed.
  std::vector<std::string> tell(const election::Event& event, const election::Step& step,
                                const election::Status& status);

 private:
  std::string term(const std::string& id) const;
  std::string rule(const char* rules) const;
  std::string line(const election::Action& action, const election::Status& status) const;
  std::string line(const election::Notice& notice) const;

  const std::function<std::string(const std::string&)> name_of_term_;
  bool must_read_ = true;  // nothing was read yet, or the outcome of a write is unknown
  std::string told_status_;
};

}  // namespace baton::observe
