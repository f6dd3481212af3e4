#include "election/options.h"

#include "election/record.h"

namespace baton::election {
namespace {

std::string seconds(Duration duration) {
  std::string text = std::to_string(std::chrono::duration<double>(duration).count());
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

}  // namespace

std::vector<std::string> check_timings(const Timings& timings) {
  const auto& [duration, deadline, period, timeout, retry_min, retry_max] = timings;
  for (const Duration length : {duration, deadline, period, timeout, retry_min, retry_max}) {
    if (length > Duration::zero() && length <= kLongestTerm) continue;
    return {"a timing is " + seconds(length) +  // the rest would mislead
            ": every timing is above zero and at most one hour (R4); choose a length in between"};
  }
  std::vector<std::string> wrong;
  if (duration % std::chrono::seconds(1) != Duration::zero()) {
    wrong.push_back("the lease duration is " + seconds(duration) +
                    ": the Lease stores whole seconds (R3); round it up");
  }
  if (retry_min > retry_max) {
    wrong.push_back("the shortest retry delay is " + seconds(retry_min) + ", above the longest, " +
                    seconds(retry_max) + ": swap them");
  }
  if (5 * deadline > 4 * duration) {
    wrong.push_back("the renew deadline is " + seconds(deadline) +
                    ", above 0.8 x the lease duration of " + seconds(duration) +
                    " (R3: clock rates may differ by 10 % each way); choose at most " +
                    seconds(4 * duration / 5));
  }
  const Duration three_attempts = period + 3 * timeout + 2 * retry_max;
  if (three_attempts >= deadline) {
    wrong.push_back("renew period + 3 x request timeout + 2 x longest retry delay is " +
                    seconds(three_attempts) + ", not below the renew deadline of " +
                    seconds(deadline) +
                    " (R15: three attempts fit even if each hangs); shorten the period or the "
                    "timeout");
  }
  return wrong;
}

}  // namespace baton::election
