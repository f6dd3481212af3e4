// The application beside one baton of a mixed election, on a thread of its own: as long as it is
// told yes, and the deadline it was told has not passed, it adds one to the Store with its token.
// It can be held between its check and its effect, where no elector can help: then it is the Store
// that must refuse. All calls from one other thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "mixed/store.h"
#include "support/api.h"

namespace baton::test {

class Application {
 public:
  /// Works every `period`; `port` is its baton's local API, which may come and go.
  Application(std::string name, std::uint16_t port, Store& store, std::chrono::milliseconds period);
  ~Application();

  /// Ends its work and says so: POST /resign?drained=true, once.
  void resign() { resigns_ = true; }
  /// Holds it at its next effect; true once it is held there, false if it did not get there soon.
  bool hold();
  void let_go() { held_ = false; }
  void stop() { stopped_ = true; }

 private:
  void run();
  void work_once();

  const std::string name_;
  Store& store_;
  const std::chrono::milliseconds period_;
  LocalClient baton_;
  std::string sealed_term_;
  std::atomic<bool> resigns_{false}, held_{false}, is_held_{false}, stopped_{false};
  std::thread thread_;
};

}  // namespace baton::test
