#include <signal.h>

#include <cstdio>

#include "baton.h"

int main() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before any thread starts
  baton::Client client;
  std::thread stopper([&] {
    int number = 0;
    sigwait(&ends, &number);
    client.stop();
  });
  client.lead([](baton::Term& term) {
    while (term.pause(std::chrono::seconds(1))) {
      std::printf("token %lld, %.1f s left\n", static_cast<long long>(term.token()),
                  std::chrono::duration<double>(term.remaining()).count());
      std::fflush(stdout);
    }
    std::puts("lost");
  });
  stopper.join();
}
