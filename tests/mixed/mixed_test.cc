// baton and client-go on one Lease of a real API server, under faults. client-go promises neither
// one believer nor tokens, so what it overlaps with is counted and explained, never asserted; what
// is asserted is that it cannot make two of ours believe at once, or a token fall.
// BATON_TEST_MIXED_SECONDS: how long (45). BATON_TEST_SEED: another schedule; times differ even so.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <sstream>

#include "mixed/history_check.h"
#include "mixed/mixed_election.h"

namespace baton::test {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// The counter of the twin, which took every write: those acknowledged, less what is left of them.
std::int64_t lost_updates_of_twin(const Store::Counts& counts) {
  return counts.twin_writes - counts.values.twin;
}

std::string describe_overlaps(const std::vector<Overlap>& overlaps) {
  std::map<std::string, std::pair<int, std::int64_t>> by_cause;
  int baton_first = 0, client_go_first = 0;
  for (const Overlap& overlap : overlaps) {
    auto& [count, longest_ns] = by_cause[overlap.cause];
    ++count;
    longest_ns = std::max(longest_ns, overlap.length_ns);
    baton_first += overlap.earlier.is_baton ? 1 : 0;
    client_go_first += !overlap.earlier.is_baton && !overlap.later.is_baton ? 1 : 0;
  }
  std::ostringstream out;
  out << "overlaps that involve client-go: " << overlaps.size() << " (" << client_go_first
      << " of two client-go, " << baton_first << " where baton led first)\n";
  for (const auto& [cause, seen] : by_cause) {
    out << "  " << seen.first << "  " << cause << "; the longest "
        << static_cast<double>(seen.second / 1'000'000) / 1e3 << " s\n";
  }
  return out.str();
}

std::string describe_faults(const MixedElection& election) {
  std::string text;
  for (const auto& [name, count] : election.faults()) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  }
  return text;
}

// For people: on standard output, and in the build folder, from where scripts/test shows it.
void show(const std::string& summary) {
  std::cout << summary << std::flush;
  std::ofstream(BATON_SUMMARY_FILE) << summary;
}

TEST(MixedElection, ClientGoMakesNoTwoOfOursBelieveAndNoTokenFall) {
  const std::chrono::seconds length(number_from("BATON_TEST_MIXED_SECONDS", 45));
  const std::uint64_t seed = number_from("BATON_TEST_SEED", std::random_device()());
  std::cout << "mixed election, BATON_TEST_SEED=" << seed << std::endl;
  MixedElection election(seed, length);
  ASSERT_TRUE(election.begin());
  election.run();
  EXPECT_TRUE(election.write_late());
  election.finish();

  const Verdict verdict = judge(election.candidates().logs());
  EXPECT_TRUE(verdict.violations.empty()) << verdict.text();
  const auto versions = election.versions();
  const auto token_faults = token_violations(versions);
  EXPECT_TRUE(token_faults.empty()) << testing::PrintToString(token_faults);
  const auto beliefs = election.beliefs();
  const auto overlaps = client_go_overlaps(beliefs, versions, election.stops());

  auto history = election.store().history();
  for (const NamedLog& log : election.candidates().logs()) {
    const auto operations = lock_operations(log);
    history.insert(history.end(), operations.begin(), operations.end());
  }
  const HistoryVerdict checked = check_history(history);
  EXPECT_TRUE(checked.linearizable) << checked.line;

  const Store::Counts counts = election.store().counts();
  EXPECT_EQ(counts.values.fenced, counts.accepted);  // none of its updates was lost
  EXPECT_GT(counts.refused, 0);
  EXPECT_GT(lost_updates_of_twin(counts), 0);
  ASSERT_FALSE(verdict.terms.empty());
  const std::size_t foreign = beliefs.size() - verdict.terms.size();
  EXPECT_GT(foreign, 0U);

  std::ostringstream out;
  out << "mixed election: " << length.count() << " s, seed " << seed << ", "
      << MixedElection::kBatons << " baton (aggressive, 3 s) and " << MixedElection::kClientGos
      << " client-go (3/2/0.5 s, ReleaseOnCancel) on one Lease of a real API server\n"
      << "faults: " << describe_faults(election) << "\n"
      << "versions of the Lease: " << versions.size() << "\n"
      << "terms: " << verdict.terms.size() << " of baton, " << foreign << " of client-go\n"
      << "tokens: strictly rising over baton's terms, " << verdict.terms.front().token << " to "
      << verdict.terms.back().token << "\n"
      << "overlapping beliefs among baton candidates: 0\n"
      << describe_overlaps(overlaps) << "fenced store: " << counts.accepted << " updates taken, "
      << counts.refused
      << " stale ones refused, none lost; its unfenced twin: " << counts.twin_writes << " taken, "
      << lost_updates_of_twin(counts) << " lost\n"
      << checked.line << "\n";
  if (!testing::Test::HasFailure()) {
    show(out.str());
  } else {
    std::cout << "NOT held; as it would be told:\n" << out.str() << verdict.text();
  }
}

}  // namespace
}  // namespace baton::test
