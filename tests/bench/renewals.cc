// Does a term that goes on for ever keep more and more memory? A leader renews and a follower hears
// of it, over and over, in logical time; the most that is allocated in the first tenth and in the
// last is compared. usage: renewals_bench COUNT; prints one JSON object.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "bench/candidate.h"

namespace baton::bench {
namespace {

/// Whether the term goes on.
bool renew(Term& term) {
  const std::string request = term.ask();
  term.answered(term.answer(request));
  const std::string event = term.event();
  term.leader_watched(event);
  term.follower_watched(event);
  return request.starts_with("PUT") && term.leader().board()->read().leads(term.now());
}

int run(long count) {
  Term term;
  std::size_t first = 0, last = 0;
  for (long i = -100; i < count; ++i) {  // a hundred for what is allocated once
    if (!renew(term)) {
      std::fprintf(stderr, "renewals_bench: the term ended after %ld renewals\n", i);
      return 1;
    }
    const std::size_t allocated = ::mallinfo2().uordblks;
    if (i >= 0 && i < count / 10) first = std::max(first, allocated);
    if (i >= count - count / 10) last = std::max(last, allocated);
  }
  std::printf("{\"renewals\": %ld, \"first_tenth\": %zu, \"last_tenth\": %zu}\n", count, first,
              last);
  return 0;
}

}  // namespace
}  // namespace baton::bench

int main(int count, char** words) {
  const long renewals = count == 2 ? std::atol(words[1]) : 0;
  if (renewals < 10) {
    std::fprintf(stderr, "usage: renewals_bench COUNT\n");
    return 2;
  }
  return baton::bench::run(renewals);
}
