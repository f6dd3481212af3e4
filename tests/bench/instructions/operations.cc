// The operations whose instructions are counted, each done COUNT times and then twice as often.
// What is to be counted happens inside measured(); phase_ended() is where callgrind writes down
// what it has counted since the phase before, and where the allocations are printed. See README.md.
// usage: instructions_bench COUNT
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <utility>

#include "api/local_api.h"
#include "api/work_ledger.h"
#include "bench/candidate.h"
#include "http/session.h"

namespace {
bool g_is_measured = false;
long g_allocations = 0;
}  // namespace

// Not inlined: GCC would warn of what new and free() have in common.
__attribute__((noinline)) void* operator new(std::size_t size) {
  g_allocations += g_is_measured ? 1 : 0;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

extern "C" {
__attribute__((noinline)) void measured(const std::function<void()>& work) {
  g_is_measured = true;
  work();
  g_is_measured = false;
}
__attribute__((noinline)) void phase_ended() {
  std::printf("%ld\n", g_allocations);
  g_allocations = 0;
}
}

namespace baton::bench {
namespace {

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "instructions_bench: %s\n", why);
  std::exit(1);
}

using Work = std::function<void()>;
using Meter = void (*)(const Work&);
void unmeasured(const Work& work) { work(); }

void renew(Term& term, Meter renewal, Meter watch_event) {
  std::string request;
  renewal([&] { request = term.ask(); });
  if (!request.starts_with("PUT")) give_up("a renewal was due, and no PUT came");
  const std::string reply = term.answer(request);
  renewal([&] { term.answered(reply); });
  const std::string event = term.event();
  term.leader_watched(event);
  watch_event([&] { term.follower_watched(event); });
}

/// One keep-alive connection to the local API of the term's leader, over a pair of sockets and on
/// this thread.
class Client {
 public:
  explicit Client(const Term& term) : api_(context(term)) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0) {
      give_up("no socketpair");
    }
    end_ = ends[0];
    host_.handler = api_.handler();
    http::Stream::Socket socket(io_);
    socket.assign(http::Stream::Protocol(AF_UNIX, 0), ends[1]);
    socket.non_blocking(true);
    http::Session::start(host_, std::move(socket), nullptr);
    io_.poll();
  }
  ~Client() { ::close(end_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void ask(Meter answer) {
    constexpr std::string_view kRequest =
        "GET /leader HTTP/1.1\r\nHost: localhost:4040\r\nUser-Agent: app/1.0\r\nAccept: "
        "*/*\r\n\r\n";
    if (::write(end_, kRequest.data(), kRequest.size()) != std::ssize(kRequest)) {
      give_up("a request was not taken whole");
    }
    answer([this] { io_.poll(); });
    std::array<char, 4096> space{};
    const ssize_t size = ::read(end_, space.data(), space.size());
    const std::string_view text(space.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (!text.starts_with("HTTP/1.1 200 ")) give_up("GET /leader was not answered with 200");
  }

 private:
  static api::Context context(const Term& term) {
    api::Context context;
    context.election = "billing";
    context.namespace_name = "shop";
    context.pod = context.legacy_name = "worker-7d9c5b6f4-x2x7q";
    context.identity = "worker-7d9c5b6f4-x2x7q_0b1f6a52_0123456789abcdef";
    context.run_id = "0123456789abcdef";
    context.board = term.leader().board();
    context.ledger = std::make_shared<api::WorkLedger>(std::vector<std::string>());
    context.now = [now = term.now()] { return now; };  // every answer has the same digits
    return context;
  }

  api::LocalApi api_;
  http::asio::io_context io_{1};
  http::SessionHost host_;
  int end_ = -1;
};

int run(int count) {
  Term term;
  Client client(term);
  const auto phase = [](int times, const Work& operation) {
    for (int i = 0; i < times; ++i) operation();
    phase_ended();
  };
  // First, what happens only once.
  phase(20, [&] {
    renew(term, unmeasured, unmeasured);
    client.ask(unmeasured);
  });
  for (const int times : {count, 2 * count}) {
    phase(times, [&] { renew(term, measured, unmeasured); });
    phase(times, [&] { renew(term, unmeasured, measured); });
    phase(times, [&] { client.ask(measured); });
  }
  return 0;
}

}  // namespace
}  // namespace baton::bench

int main(int count, char** words) {
  const int times = count == 2 ? std::atoi(words[1]) : 0;
  if (times <= 0) {
    std::fprintf(stderr, "usage: instructions_bench COUNT\n");
    return 2;
  }
  return baton::bench::run(times);
}
