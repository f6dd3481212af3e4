// What FAILPOINT says happens here: NAME:kill:N, NAME:stop:N or NAME:sleep:N:MS, at the N-th hit.
#include "base/failpoint.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/text.h"

namespace baton {
namespace {

constexpr std::array kNames = {"write_before_send",    "write_sent",        "write_answered",
                               "release_before_send",  "release_answered",  "belief_before_publish",
                               "belief_published",     "belief_before_log", "belief_logged",
                               "proof_before_post",    "page_half_written", "fence_before_write",
                               "fence_written",        "fence_renamed",     "fence_recorded",
                               "fence_before_forward", "fence_forwarded"};

struct Wish {
  int point = -1;  // none
  std::string action;
  std::int64_t hit = 0, sleep_ms = 0;
};

Wish read_wish() {
  const char* text = std::getenv("FAILPOINT");
  if (text == nullptr) return {};
  std::vector<std::string> words;
  boost::split(words, std::string(text), boost::is_any_of(":"));
  words.resize(4);
  Wish wish{-1, words[1], parse_integer(words[2], 1, 1000).value_or(0),
            parse_integer(words[3], 0, 600'000).value_or(0)};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (words[0] == kNames[i]) wish.point = static_cast<int>(i);
  }
  const bool is_action = wish.action == "kill" || wish.action == "stop" || wish.action == "sleep";
  if (wish.point < 0 || !is_action || wish.hit == 0) {
    std::fprintf(stderr, "FAILPOINT=%s: must be NAME:kill|stop|sleep:HIT[:MS]\n", text);
    std::abort();
  }
  return wish;
}

}  // namespace

void failpoint(Failpoint point) {
  static const Wish wish = read_wish();
  static std::atomic<std::int64_t> hits = 0;
  if (static_cast<int>(point) != wish.point || ++hits != wish.hit) return;
  if (wish.action == "kill") ::kill(::getpid(), SIGKILL);
  if (wish.action == "stop") ::kill(::getpid(), SIGSTOP);
  ::poll(nullptr, 0, static_cast<int>(wish.sleep_ms));
}

}  // namespace baton
