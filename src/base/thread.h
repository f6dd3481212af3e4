// Threads that tools can tell apart.
#pragma once

#include <pthread.h>

#include <thread>
#include <utility>

namespace baton {

/// A thread that `top -H` and debuggers show by `name`, of at most 15 characters.
template <typename Run>
std::thread named_thread(const char* name, Run run) {
  return std::thread([name, run = std::move(run)]() mutable {
    ::pthread_setname_np(::pthread_self(), name);
    run();
  });
}

}  // namespace baton
