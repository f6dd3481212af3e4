#include "support/checker.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace baton::test {
namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

using Violations = std::vector<std::string>;

std::string at(std::int64_t ns) { return std::to_string(ns / 1000) + " us"; }

std::string name(const LeaseVersion& version) {
  return "version " + std::to_string(version.revision) + " (" +
         (version.holder.empty() ? "unheld" : version.holder) + ", token " +
         std::to_string(version.token) + ")";
}

bool begins_a_term(const LeaseVersion& before, const LeaseVersion& version) {
  return !version.holder.empty() && !version.term_id.empty() && version.term_id != before.term_id;
}

bool is_write(const RequestSeen& request) {
  return request.verb == "update" || request.verb == "create";
}

// I2: in the order in which the store applied them, terms have rising tokens. Not those that a hand
// has written: no candidate's write made them, and none believed in them.
void check_tokens(const Evidence& evidence, const std::vector<Term>& terms, Violations& found) {
  std::set<std::int64_t> written;
  for (const RequestSeen& request : evidence.requests) {
    if (is_write(request)) written.insert(request.revision);
  }
  std::set<std::string> believed;
  for (const Term& term : terms) believed.insert(term.term_id);
  std::int64_t highest = 0;
  LeaseVersion before;
  for (const LeaseVersion& version : evidence.versions) {
    const bool is_ours =
        written.empty() || written.contains(version.revision) || believed.contains(version.term_id);
    if (is_ours && begins_a_term(before, version)) {
      if (version.token <= highest) {
        found.push_back("I2: the store has " + name(version) + " after token " +
                        std::to_string(highest));
      }
      highest = std::max(highest, version.token);
    }
    before = version;
  }
}

// I4: every belief is backed by a version of that term, with that token.
void check_backing(const Evidence& evidence, const std::vector<Term>& terms, Violations& found) {
  for (const Term& term : terms) {
    const bool is_backed = std::any_of(
        evidence.versions.begin(), evidence.versions.end(), [&](const LeaseVersion& version) {
          return version.term_id == term.term_id && version.token == term.token &&
                 !version.holder.empty();
        });
    if (!is_backed) {
      found.push_back("I4: no version of the Lease backs " + term.who + " term " + term.term_id +
                      " token " + std::to_string(term.token));
    }
  }
}

// I6: who takes a held Lease over has waited out its duration. The version replaced was applied
// after its request came in, the take-over before the watch showed it.
std::size_t check_waits(const Evidence& evidence, Violations& found) {
  std::map<std::int64_t, std::int64_t> requested_ns;
  for (const RequestSeen& request : evidence.requests) {
    if (request.verb == "update" && request.revision > 0) {
      requested_ns.emplace(request.revision, request.at_ns);
    }
  }
  std::size_t checked = 0;
  LeaseVersion before;
  for (const LeaseVersion& version : evidence.versions) {
    const auto request = requested_ns.find(before.revision);
    const bool is_own_pod =
        !before.incarnation.empty() && before.incarnation == version.incarnation;
    if (begins_a_term(before, version) && !before.holder.empty() && before.uid == version.uid &&
        before.holder != version.holder && !is_own_pod && request != requested_ns.end()) {
      ++checked;
      const std::int64_t waited_ns = version.seen_ns - request->second;
      if (waited_ns < before.duration_s * kSecond_ns) {
        found.push_back("I6: " + name(version) + " replaced " + name(before) + " after " +
                        at(waited_ns) + ", which carried " + std::to_string(before.duration_s) +
                        " s");
      }
    }
    before = version;
  }
  return checked;
}

// I7: nobody clears another's term. Whose a request is shows the holder that its user wrote before.
void check_releases(const Evidence& evidence, Violations& found) {
  std::map<std::int64_t, std::string> writer;
  std::map<std::string, std::set<std::string>> identities;
  for (const RequestSeen& request : evidence.requests) {
    if (request.verb != "update") {
      continue;
    }
    if (!request.holder.empty()) {
      identities[request.user].insert(request.holder);
    }
    writer.emplace(request.revision, request.user);
  }
  LeaseVersion before;
  for (const LeaseVersion& version : evidence.versions) {
    const auto user = writer.find(version.revision);
    if (!version.is_deleted && version.holder.empty() && !before.holder.empty() &&
        user != writer.end() && !identities[user->second].contains(before.holder)) {
      found.push_back("I7: " + user->second + " released " + name(before) + ", another's");
    }
    before = version;
  }
}

// I8, for any second that begins with a request.
int check_rates(const Evidence& evidence, Violations& found) {
  std::map<std::string, std::vector<std::int64_t>> times;
  for (const RequestSeen& request : evidence.requests) {
    if (request.resource == "leases") {
      times[request.user].push_back(request.at_ns);
    }
  }
  std::ptrdiff_t most = 0;
  for (auto& [user, list] : times) {
    std::sort(list.begin(), list.end());
    std::ptrdiff_t highest = 0;
    for (auto first = list.begin(), last = list.begin(); first != list.end(); ++first) {
      last = std::find_if(last, list.end(), [&](auto one) { return one >= *first + kSecond_ns; });
      highest = std::max(highest, last - first);
    }
    if (evidence.requests_per_s > 0 && highest > evidence.requests_per_s) {
      found.push_back("I8: " + user + " sent " + std::to_string(highest) +
                      " requests in one second, more than " +
                      std::to_string(evidence.requests_per_s));
    }
    most = std::max(most, highest);
  }
  return static_cast<int>(most);
}

// I3 and I10, and that a store refuses only what is stale.
void check_writes(const Evidence& evidence, const std::vector<Term>& terms, Report& report) {
  Violations& found = report.verdict.violations;
  std::int64_t highest = 0;       // of what was accepted
  std::int64_t twin_highest = 0;  // of everything
  for (const StoreWrite& write : evidence.writes) {
    const std::string text = write.writer + "'s write with token " + std::to_string(write.token);
    if (write.asked_ns >= write.deadline_ns) {
      found.push_back("I10: " + write.writer + " was told yes at or after the deadline");
    }
    if (std::none_of(terms.begin(), terms.end(), [&](const Term& term) {
          return term.term_id == write.term_id && term.token == write.token;
        })) {
      found.push_back("I4: no sidecar believed in the term of " + text);
    }
    if (write.is_accepted && write.token < highest) {
      found.push_back("I3: the store accepted " + text + " after token " + std::to_string(highest));
    }
    if (!write.is_accepted && write.token >= highest) {
      found.push_back("I3: the store refused " + text + ", the highest so far being " +
                      std::to_string(highest));
    }
    report.refused_writes += write.is_accepted ? 0 : 1;
    report.corruptions += write.token < twin_highest ? 1 : 0;
    highest = write.is_accepted ? std::max(highest, write.token) : highest;
    twin_highest = std::max(twin_highest, write.token);
  }
}

}  // namespace

Report check(const Evidence& evidence) {
  Report report;
  report.verdict = judge(evidence.logs);
  Violations& found = report.verdict.violations;
  const std::vector<Term> terms = report.verdict.terms;
  if (!evidence.versions.empty() && !evidence.has_broken_history) {
    check_tokens(evidence, terms, found);
    check_backing(evidence, terms, found);
    check_releases(evidence, found);
    report.waits_checked = check_waits(evidence, found);
  }
  report.most_requests_per_s = check_rates(evidence, found);
  check_writes(evidence, terms, report);
  return report;
}

void Summary::add(const Report& report) {
  ++runs_;
  terms_ += report.verdict.terms.size();
  violations_ += report.verdict.violations.size();
  writes_refused_ += report.refused_writes;
  corruptions_ += report.corruptions;
  waits_ += report.waits_checked;
  most_requests_per_s_ = std::max(most_requests_per_s_, report.most_requests_per_s);
}

std::string Summary::text() const {
  std::ostringstream out;
  out << runs_ << " elections, " << terms_ << " terms, "
      << (violations_ == 0 ? "no two beliefs at once, tokens strictly rising"
                           : std::to_string(violations_) + " VIOLATIONS")
      << "; " << waits_ << " take-overs waited long enough; at most " << most_requests_per_s_
      << " requests/s of one candidate; stale writes refused " << writes_refused_
      << ", corruptions of the unfenced twin " << corruptions_;
  return out.str();
}

}  // namespace baton::test
