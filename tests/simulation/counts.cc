#include "simulation/counts.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace baton::simulation {
namespace {

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

}  // namespace

void Counts::add(const Counts& other) {
  simulation::add(rules, other.rules);
  simulation::add(faults, other.faults);
  simulation::add(notices, other.notices);
  simulation::add(writes, other.writes);
  simulation::add(crossings, other.crossings);
  simulation::add(limits, other.limits);
  seeds += other.seeds;
  events += other.events;
  terms += other.terms;
  most_terms = std::max(most_terms, other.most_terms);
  refusals += other.refusals;
  corruptions += other.corruptions;
}

void Counts::count_rules(const std::string& reason) {
  for (std::size_t at = reason.find('R'); at != reason.npos; at = reason.find('R', at + 1)) {
    const int rule = std::atoi(reason.c_str() + at + 1);
    if (rule > 0 && (at == 0 || reason[at - 1] == ' ' || reason[at - 1] == '(')) {
      ++rules[rule];
    }
  }
}

std::string report(const Counts& counts) {
  std::ostringstream out;
  out << "rules:";
  for (const auto& [rule, count] : counts.rules) {
    out << " R" << rule << ' ' << count << ';';
  }
  out << '\n';
  print(out, "faults", counts.faults);
  print(out, "notices", counts.notices);
  print(out, "requests", counts.writes);
  print(out, "states crossed", counts.crossings);
  print(out, "runs partly excluded, not covered by design", counts.limits);
  out << counts.seeds << " seeds, " << counts.events << " events, " << counts.terms
      << " tokens (mean " << static_cast<double>(counts.terms) / static_cast<double>(counts.seeds)
      << " a seed, most " << counts.most_terms << "), " << counts.refusals
      << " writes with an old token refused by the resource; without the check "
      << counts.corruptions << " would have been taken\n";
  return out.str();
}

}  // namespace baton::simulation
