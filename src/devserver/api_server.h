// The devserver's API: authenticates, authorises, lets the faults have their way, and hands the
// request to the objects or the watches. Everything on the thread of the server it is attached to;
// other threads come in by run().
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "devserver/faults.h"
#include "devserver/store.h"
#include "devserver/users.h"
#include "devserver/watches.h"
#include "http/server.h"

namespace baton::devserver {

/// For servers whose clients are all tests.
inline constexpr http::ServerLimits kGenerousLimits = {.connections = 4096,
                                                       .waiters = 4096,
                                                       .header_bytes = 65536,
                                                       .body_bytes = std::size_t{4} << 20,
                                                       .stream_backlog_bytes = std::size_t{4} << 20,
                                                       .request_timeout = std::chrono::seconds(30),
                                                       .idle_timeout = std::chrono::minutes(10)};

/// One line of the request log. Written when a request comes, completed when it is answered.
struct LoggedRequest : Met {
  std::uint64_t sequence = 0;
  std::int64_t boottime_ns = 0;  // when it had come in whole
  std::string holder;            // spec.holderIdentity of a write
  std::string fault;             // the fault that met it, "" for none
  int status = 0;                // 0: not answered
  std::string revision;          // metadata.resourceVersion of the object or list answered
};

class ApiServer {
 public:
  explicit ApiServer(std::vector<User> users);

  http::Handler handler();
  void attach(http::Server& server);

  /// Runs `work` on the server's thread. Any thread.
  void run(std::function<void()> work) { server_->post(std::move(work)); }

  // For the control port, inside run().
  Store& store() { return store_; }
  Faults& faults() { return faults_; }
  Watches& watches() { return watches_; }
  nlohmann::json requests_after(std::uint64_t sequence) const;

 private:
  struct Call;
  using CallPointer = std::shared_ptr<Call>;

  void receive(std::shared_ptr<http::Exchange> exchange);
  void serve(const CallPointer& call, const Fault& fault);
  void answer_with(const CallPointer& call, const Fault& fault);
  http::Response answer(const Call& call);
  void reply(const CallPointer& call, http::Response response);
  void hold(const CallPointer& call);
  void start_log(Call& call);
  const User* find_user(const http::Request& request) const;

  static constexpr std::size_t kLogLimit = 50000;

  const std::vector<User> users_;
  Store store_;
  Faults faults_;
  Watches watches_;
  http::Server* server_ = nullptr;
  std::set<CallPointer> held_;  // never to be answered
  std::deque<std::shared_ptr<LoggedRequest>> log_;
  std::uint64_t sequence_ = 0;
};

}  // namespace baton::devserver
