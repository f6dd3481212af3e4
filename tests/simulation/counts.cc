#include "simulation/counts.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "simulation/faults.h"

namespace baton::simulation {
namespace {

constexpr int kRules = 19;
constexpr int kFaults = 30;
constexpr long kSeedsForRare = 100'000;

// What R18 says where it decides something.
constexpr const char* kControls[] = {"paused until",
                                     "asked to resign by",
                                     "asked to hand over to",
                                     "handed over to this candidate",
                                     "not taken by whom it was handed over to",
                                     "which is no time",
                                     "which is more than 24 h ahead",
                                     "which has passed",
                                     "and the present term has the token",
                                     "names the leader itself",
                                     "left to others first",
                                     "led for the maximum term"};

template <typename Key>
void add(std::map<Key, long>& sum, const std::map<Key, long>& other) {
  for (const auto& [name, count] : other) {
    sum[name] += count;
  }
}

void print(std::ostringstream& out, const char* title, const std::map<std::string, long>& counts) {
  out << title << ":\n";
  for (const auto& [name, count] : counts) {
    out << "  " << count << '\t' << name << '\n';
  }
}

bool says(const std::string& name, int number) {
  const std::string text = "F" + std::to_string(number);
  const auto at = name.find(text);
  return at != name.npos && std::isdigit(name[at + text.size()]) == 0;
}

}  // namespace

void Counts::add(const Counts& other) {
  simulation::add(rules, other.rules);
  simulation::add(faults, other.faults);
  simulation::add(controls, other.controls);
  simulation::add(notices, other.notices);
  simulation::add(writes, other.writes);
  simulation::add(limits, other.limits);
  for (std::size_t from = 0; from < kStates; ++from) {
    for (std::size_t to = 0; to < kStates; ++to) {
      crossings[from][to] += other.crossings[from][to];
    }
  }
  seeds += other.seeds;
  events += other.events;
  terms += other.terms;
  most_terms = std::max(most_terms, other.most_terms);
  most_candidates = std::max(most_candidates, other.most_candidates);
  refusals += other.refusals;
  corruptions += other.corruptions;
  foreign_overlaps += other.foreign_overlaps;
}

void Counts::count_rules(const std::string& reason) {
  for (const char* words : kControls) {
    if (reason.find(words) != reason.npos) {
      ++controls[words];
    }
  }
  for (std::size_t at = reason.find('R'); at != reason.npos; at = reason.find('R', at + 1)) {
    const int rule = std::atoi(reason.c_str() + at + 1);
    if (rule > 0 && (at == 0 || reason[at - 1] == ' ' || reason[at - 1] == '(')) {
      ++rules[rule];
    }
  }
}

long Counts::hits(int number) const {
  long sum = 0;
  for (const auto& [name, count] : faults) {
    sum += says(name, number) ? count : 0;
  }
  return sum;
}

std::string report(const Counts& counts) {
  std::ostringstream out;
  out << "rules:";
  for (const auto& [rule, count] : counts.rules) {
    out << " R" << rule << ' ' << count << ';';
  }
  out << '\n';
  print(out, "faults", counts.faults);
  out << "faults by number:";
  for (int number = 1; number <= kFaults; ++number) {
    out << " F" << number << ' ' << counts.hits(number) << ';';
  }
  out << '\n';
  for (const auto& [number, why] : left_to_other_tests()) {
    out << "  F" << number << " is left to the tests of the real binary: " << why << '\n';
  }
  print(out, "back-off, maximum term and controls (R18)", counts.controls);
  print(out, "notices", counts.notices);
  print(out, "requests", counts.writes);
  out << "states crossed:\n";
  for (std::size_t from = 0; from < kStates; ++from) {
    for (std::size_t to = 0; to < kStates; ++to) {
      if (counts.crossings[from][to] > 0) {
        out << "  " << counts.crossings[from][to] << '\t'
            << to_string(static_cast<election::State>(from)) << " -> "
            << to_string(static_cast<election::State>(to)) << '\n';
      }
    }
  }
  print(out, "runs partly excluded, not covered by design", counts.limits);
  out << counts.seeds << " seeds, up to " << counts.most_candidates << " candidates, "
      << counts.events << " events, " << counts.terms << " terms (mean "
      << static_cast<double>(counts.terms) / static_cast<double>(counts.seeds) << " a seed, most "
      << counts.most_terms << "), " << counts.refusals
      << " writes with an old token refused by the resource; its twin without the check held an "
         "old write over a newer one "
      << counts.corruptions << "\nclient-go's candidate acted beside a leader of baton's "
      << counts.foreign_overlaps << " times\n";
  return out.str();
}

std::string gaps(const Counts& counts) {
  std::ostringstream out;
  for (int rule = 1; rule <= kRules; ++rule) {
    const auto found = counts.rules.find(rule);
    if (found == counts.rules.end()) {
      out << "R" << rule << " never decided anything\n";
    }
  }
  for (const char* words : kControls) {
    if (!counts.controls.contains(words)) {
      out << "R18: nobody ever said \"" << words << "\"\n";
    }
  }
  for (const std::string& fault : fault_names()) {
    if (!counts.faults.contains(fault)) {
      out << fault << " never hit: the run proves nothing about it\n";
    }
  }
  for (int number = 1; number <= kFaults; ++number) {
    if (counts.hits(number) == 0 && !left_to_other_tests().contains(number)) {
      out << "F" << number << " never hit\n";
    }
  }
  for (std::size_t from = 0; from < kStates; ++from) {
    for (std::size_t to = 0; to < kStates; ++to) {
      const auto one = static_cast<election::State>(from);
      const auto other = static_cast<election::State>(to);
      const Expectation expected = expectation(one, other);
      const bool is_due = expected == Expectation::common ||
                          (expected == Expectation::rare && counts.seeds >= kSeedsForRare);
      if (is_due && counts.crossings[from][to] == 0) {
        out << "nobody went from " << to_string(one) << " to " << to_string(other) << '\n';
      }
    }
  }
  if (counts.corruptions == 0) {
    out << "no stale write ever reached the resource: nothing shows that the check matters\n";
  }
  return out.str();
}

}  // namespace baton::simulation
