// The judge of safety: reads the JSON logs of several baton processes of one host and finds, on
// the one BOOTTIME clock, whether two ever believed at once and whether tokens rose with the terms.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::test {

/// A term as its process believed in it: from the first reply that counted to the end of the last
/// deadline, or to the line that ended it sooner.
struct Term {
  std::string who;  // the log it is from
  std::string term_id;
  std::int64_t token = 0;
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
  std::string ended_by;  // "lost", "draining", "released"; "" if the deadline did, or nothing yet
};

struct Verdict {
  std::vector<Term> terms;  // by the time they began
  std::vector<std::string> violations;

  std::string text() const;  // a table for people, and the violations
};

/// Lines that are no JSON objects are passed over.
std::vector<Term> read_terms(const std::string& who, const std::string& log,
                             std::vector<std::string>& violations);

struct NamedLog {
  std::string who;
  std::string text;
};
Verdict judge(const std::vector<NamedLog>& logs);

}  // namespace baton::test
