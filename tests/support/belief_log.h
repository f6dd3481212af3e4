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
  std::string pod;       // of its log
  std::int64_t process_ended_ns = 0;
};

struct Verdict {
  std::vector<Term> terms;  // by the time they began
  std::vector<std::string> violations;

  std::string text() const;  // a table for people, and the violations
};

/// Lines that are no JSON objects are passed over.
struct NamedLog {
  std::string who;
  std::string text;
  // R19: a restarted sidecar takes over from its own Pod's dead one at once.
  std::string pod = {};               // the Pod's UID, "" if unknown
  std::int64_t process_ended_ns = 0;  // 0: not known to have ended
};
std::vector<Term> read_terms(const NamedLog& log, std::vector<std::string>& violations);
Verdict judge(const std::vector<NamedLog>& logs);

}  // namespace baton::test
