#include "mixed/overlaps.h"

#include <algorithm>

namespace baton::test {
namespace {

// The first version that shows the later one as holder of a term that covers its belief: the last
// change of holder before its belief began, or shortly after it (the watch is a moment behind).
std::size_t acquisition(const std::vector<LeaseVersion>& versions, const Belief& later) {
  constexpr std::int64_t kBehind_ns = 1'000'000'000;
  std::size_t found = versions.size();
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const bool takes =
        !versions[i].deleted && versions[i].holder == later.holder &&
        (i == 0 || versions[i - 1].deleted || versions[i - 1].holder != later.holder);
    if (takes && versions[i].seen_ns <= later.term.from_ns + kBehind_ns) {
      found = i;
    }
  }
  return found;
}

bool was_stopped(const std::vector<Stop>& stops, const std::string& holder, std::int64_t from_ns,
                 std::int64_t until_ns) {
  return std::any_of(stops.begin(), stops.end(), [&](const Stop& stop) {
    return stop.holder == holder && stop.from_ns < until_ns && stop.until_ns > from_ns;
  });
}

std::string cause_of(const Belief& earlier, const Belief& later,
                     const std::vector<LeaseVersion>& versions, const std::vector<Stop>& stops) {
  const std::size_t taken = acquisition(versions, later);
  if (taken == versions.size()) {
    return "the later holder is in no version of the Lease";
  }
  // Back to the last version that the earlier one held, and what came between.
  bool deleted = false, cleared = false, replaced = false;
  std::size_t at = taken;
  while (at > 0) {
    const LeaseVersion& before = versions[--at];
    if (!before.deleted && before.holder == earlier.holder) {
      break;
    }
    deleted = deleted || before.deleted;
    cleared = cleared || (!before.deleted && before.holder.empty());
    replaced = replaced || (!before.deleted && !before.holder.empty());
  }
  if (deleted) {
    return "the Lease was deleted, and client-go does not wait";
  }
  if (cleared) {
    return "the Lease was cleared by a late release of client-go";
  }
  if (was_stopped(stops, earlier.holder, versions[at].seen_ns, earlier.term.until_ns)) {
    return "its pause: client-go looks at no clock before it goes on";
  }
  return replaced ? "client-go saw another holder and went on to its renew deadline"
                  : "client-go's renew deadline counts from the reply";
}

}  // namespace

std::vector<Overlap> client_go_overlaps(std::vector<Belief> beliefs,
                                        const std::vector<LeaseVersion>& versions,
                                        const std::vector<Stop>& stops) {
  std::sort(beliefs.begin(), beliefs.end(),
            [](const Belief& a, const Belief& b) { return a.term.from_ns < b.term.from_ns; });
  std::vector<Overlap> overlaps;
  for (std::size_t i = 0; i < beliefs.size(); ++i) {
    for (std::size_t j = i + 1; j < beliefs.size(); ++j) {
      const Belief& earlier = beliefs[i];
      const Belief& later = beliefs[j];
      if ((earlier.is_baton && later.is_baton) || later.term.from_ns >= earlier.term.until_ns) {
        continue;
      }
      const std::int64_t end_ns = std::min(earlier.term.until_ns, later.term.until_ns);
      overlaps.push_back(
          {earlier, later, end_ns - later.term.from_ns, cause_of(earlier, later, versions, stops)});
    }
  }
  return overlaps;
}

}  // namespace baton::test
