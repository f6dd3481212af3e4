// The running watches: each feeds one streamed answer from the store until its time is up, the
// client has gone, or someone closes it. On the API server's thread.
#pragma once

#include <map>
#include <memory>

#include "devserver/faults.h"
#include "devserver/request.h"
#include "devserver/store.h"
#include "http/server.h"

namespace baton::devserver {

class Watches {
 public:
  Watches(Store& store, const Faults& faults) : store_(store), faults_(faults) {}
  void attach(http::Server& server) { server_ = &server; }

  /// Answers the exchange with a stream: the past from request.from on (everything there is, if
  /// unset or "0"), what comes, bookmarks each minute and shortly before the end as Kubernetes
  /// sends them. A compacted revision: one ERROR event with code 410.
  void start(std::shared_ptr<http::Exchange> exchange, const ApiRequest& request,
             const std::string& user);
  /// Ends the watches of `user` ("" for all) as a server does that closes them. How many.
  int close(const std::string& user);

 private:
  struct Watch;
  using Id = std::uint64_t;

  void follow(Id id, const ApiRequest& request, Revision from);
  void send(Watch& watch, const char* type, const nlohmann::json& object);
  void bookmark(Watch& watch);
  void schedule_bookmark(Id id);
  void end(Id id);

  Store& store_;
  const Faults& faults_;
  http::Server* server_ = nullptr;
  std::map<Id, std::shared_ptr<Watch>> watches_;
  Id last_id_ = 0;
};

}  // namespace baton::devserver
