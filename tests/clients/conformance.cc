// The conformance program in C++: tests/clients/README.md says what it prints. usage: [ACT [FILE]]
#include <signal.h>

#include <cstdio>
#include <fstream>

#include "../../clients/c/baton_page.h"
#include "../../clients/cpp/baton.h"

namespace {

std::string act, release;

std::int64_t now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

void say(const std::string& what, const std::string& fields) {
  std::printf("{\"what\":\"%s\"%s}\n", what.c_str(), fields.c_str());
  std::fflush(stdout);
}

std::string at(std::int64_t instant) { return ",\"atNs\":" + std::to_string(instant); }

std::string remaining(baton::Term& term) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(term.remaining());
  return ",\"remainingMs\":" + std::to_string(left.count());
}

std::string object(const std::map<std::string, std::string>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += (out.empty() ? "{\"" : ",\"") + name + "\":\"" + value + "\"";
  }
  return out + "}";
}

template <typename Call>
bool refuses(Call call) {
  try {
    call();
    return false;
  } catch (const std::invalid_argument&) {
    return true;
  }
}

/// A moment that no rule rests on.
void linger(int ms) { poll(nullptr, 0, ms); }

void work(baton::Term& term) {
  std::mutex mutex;
  std::condition_variable changed;
  bool lost = false;
  term.on_loss([&] {
    const std::lock_guard lock(mutex);
    lost = true;
    changed.notify_all();
  });
  const bool is_careful =
      refuses([&] { term.headers("a\r\nB: c"); }) && refuses([&] { term.idempotency_key("op 1"); });
  say("started", at(now()) + ",\"token\":\"" + std::to_string(term.token()) + "\",\"termId\":\"" +
                     term.term_id() + "\"" + remaining(term) + ",\"key\":\"" +
                     term.idempotency_key("op-1") + "\",\"headers\":" + object(term.headers()) +
                     ",\"asked\":" + object(term.headers("shop/bills")) +
                     ",\"refuses\":" + (is_careful ? "true" : "false"));
  for (bool acted = false;;) {
    const auto instant = now();
    if (!term.leading()) break;
    say("work", at(instant));
    if (!std::exchange(acted, true)) {
      if (act == "reject") say("told", term.rejected("db", 99) ? ",\"ok\":true" : ",\"ok\":false");
      if (act == "ready") say("told", term.ready() ? ",\"ok\":true" : ",\"ok\":false");
      if (act == "tell") {
        say("told", term.ready() && term.drained() ? ",\"ok\":true" : ",\"ok\":false");
      }
      if (act == "return" || act == "fail") {
        say("ended", at(now()));
        if (act == "fail") throw std::runtime_error("the work failed");
        return;
      }
    }
    term.pause(std::chrono::milliseconds(20));
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return lost; });
  }
  say("lost", remaining(term));
  while (act == "stubborn" && !std::ifstream(release)) linger(20);
  linger(100);
  say("ended", at(now()));
  throw std::runtime_error("is dropped: the term was lost");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) act = argv[1];
  if (argc > 2) release = argv[2];
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const std::string holder = act == "named" ? "w/1" : "";
  const char* path = std::getenv("BATON_STATUS_PAGE");
  baton::StatusPage page(path == nullptr ? "" : path);
  const auto client = path == nullptr ? std::make_unique<baton::Client>("", holder)
                                      : std::make_unique<baton::Client>("", holder, page);
  std::thread([&] {
    int number = 0;
    sigwait(&ends, &number);
    client->stop();
  }).detach();
  try {
    client->lead(work);
    say("returned", "");
  } catch (const std::exception& error) {
    say("failed", std::string(",\"why\":\"") + error.what() + "\"");
  }
  std::_Exit(0);  // the thread that waits for SIGTERM still looks at `client`
}
