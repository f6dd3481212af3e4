#include "support/belief_log.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

namespace baton::test {
namespace {

using nlohmann::json;

struct Line {
  std::string message, term_id;
  std::int64_t at_ns = 0;
  std::int64_t token = 0;
  std::int64_t deadline_ns = 0;
  // Before the line was written: when the reply counted, and from when on all answers knew.
  std::int64_t decided_ns = 0, published_ns = 0;
};

// Tokens are decimal strings, since they may pass 2^53.
std::int64_t number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) {
    return 0;
  }
  return found->is_string()           ? std::strtoll(found->get<std::string>().c_str(), nullptr, 10)
         : found->is_number_integer() ? found->get<std::int64_t>()
                                      : 0;
}

std::optional<Line> parse(const std::string& text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object() || !object.contains("msg") || !object["msg"].is_string()) {
    return std::nullopt;
  }
  return Line{object["msg"],
              object.value("term_id", ""),
              number(object, "boottime_ns"),
              number(object, "token"),
              number(object, "deadline_boottime_ns"),
              number(object, "decided_boottime_ns"),
              number(object, "published_boottime_ns")};
}

std::string seconds(std::int64_t ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6f", static_cast<double>(ns) / 1e9);
  return text;
}

std::string name(const Term& term) {
  return term.who + " term " + term.term_id + " token " + std::to_string(term.token);
}

// R19: the process that believed is dead, and the next one is its Pod's again.
bool succeeds_its_own(const Term& before, const Term& term) {
  return !before.pod.empty() && before.pod == term.pod && before.process_ended_ns > 0 &&
         before.process_ended_ns <= term.from_ns;
}

}  // namespace

std::vector<Term> read_terms(const NamedLog& log, std::vector<std::string>& violations) {
  std::vector<Term> terms;
  std::istringstream lines(log.text);
  for (std::string text; std::getline(lines, text);) {
    const auto line = parse(text);
    if (!line) {
      continue;
    }
    if (line->message == "gained") {
      // client-go's candidate writes its line before it acts, and tells no other time.
      const std::int64_t from_ns = line->decided_ns > 0 ? line->decided_ns : line->at_ns;
      terms.push_back({log.who, line->term_id, line->token, from_ns, line->deadline_ns, "", log.pod,
                       log.process_ended_ns});
      continue;
    }
    const bool ends =
        line->message == "lost" || line->message == "draining" || line->message == "released";
    if ((!ends && line->message != "extended") || terms.empty() ||
        terms.back().term_id != line->term_id) {
      continue;
    }
    Term& term = terms.back();
    if (ends) {
      const std::int64_t end_ns = line->published_ns > 0 ? line->published_ns : line->at_ns;
      term.until_ns = std::min(term.until_ns, end_ns);
      term.ended_by = term.ended_by.empty() ? line->message : term.ended_by;
    } else if (term.ended_by.empty()) {
      // The reply was judged a moment before its line was written; deadlines only move on.
      term.until_ns = std::max(term.until_ns, line->deadline_ns);
    } else if (term.ended_by != "draining") {
      violations.push_back(name(term) + " was extended after it had ended by " + term.ended_by);
    }
  }
  return terms;
}

Verdict judge(const std::vector<NamedLog>& logs) {
  Verdict verdict;
  for (const NamedLog& log : logs) {
    const auto terms = read_terms(log, verdict.violations);
    verdict.terms.insert(verdict.terms.end(), terms.begin(), terms.end());
  }
  std::stable_sort(verdict.terms.begin(), verdict.terms.end(),
                   [](const Term& a, const Term& b) { return a.from_ns < b.from_ns; });
  std::set<std::string> ids;
  const Term* latest = nullptr;  // the one that ran longest so far
  const Term* highest = nullptr;
  for (const Term& term : verdict.terms) {
    if (!ids.insert(term.term_id).second) {
      verdict.violations.push_back("R8: " + name(term) + " uses a term id again");
    }
    if (latest != nullptr && term.from_ns < latest->until_ns && !succeeds_its_own(*latest, term)) {
      verdict.violations.push_back("two leaders at once: " + name(*latest) + " until " +
                                   seconds(latest->until_ns) + ", " + name(term) + " from " +
                                   seconds(term.from_ns));
    }
    if (highest != nullptr && term.token <= highest->token) {
      verdict.violations.push_back("R7: the token did not rise: " + name(*highest) + ", then " +
                                   name(term));
    }
    latest = latest == nullptr || term.until_ns > latest->until_ns ? &term : latest;
    highest = highest == nullptr || term.token > highest->token ? &term : highest;
  }
  return verdict;
}

std::string Verdict::text() const {
  std::ostringstream out;
  for (const Term& term : terms) {
    out << "token " << term.token << "  " << seconds(term.from_ns) << " - "
        << seconds(term.until_ns) << "  " << term.who << "  " << term.term_id
        << (term.ended_by.empty() ? "" : "  " + term.ended_by) << '\n';
  }
  for (const std::string& violation : violations) {
    out << "VIOLATION " << violation << '\n';
  }
  return out.str();
}

}  // namespace baton::test
