// The local API (127.0.0.1:4040), one object per listener, on its server's thread.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "api/api.h"
#include "api/document.h"
#include "api/router.h"
#include "api/ui.h"
#include "api/waiters.h"

namespace baton::api {

/// Give handler() to http::Server::listen(), then attach() the server before its start(), and stop
/// it before this is destroyed.
class LocalApi {
 public:
  explicit LocalApi(Context context);
  LocalApi(const LocalApi&) = delete;
  LocalApi& operator=(const LocalApi&) = delete;

  http::Handler handler() const { return handler_; }
  /// The server whose thread this runs on, for posting and timers.
  void attach(http::Server& server);
  /// StatusBoard::publish() returned true, or SIGTERM came. Any thread; never blocks.
  void changed();

 private:
  std::vector<Route> routes();

  // Reading.
  void leader(const Call& call);
  void events(const Call& call);
  void ui(const Call& call) { call.exchange->reply(ui_answer()); }
  void ui_events(const Call& call);
  void token(const Call& call);
  void name(const Call& call) { call.exchange->reply(name_answer(context_)); }
  // Control.
  void resign(const Call& call);
  void drained(const Call& call);
  void ready_to_lead(const Call& call);
  void advance_token(const Call& call);
  void report_rejection(const Call& call);

  http::Response document_answer(int status);
  bool refuse_other_term(const Call& call, const StatusView& view) const;
  bool refuse_name(const Call& call) const;
  bool refuse_one_too_many(const Call& call);
  void answer_when_released(const Call& call, const std::string& term_id);
  void post_proof();

  const Context context_;
  StatusDocument document_;
  Waiters waiters_;
  const http::Handler handler_;
  http::Server* server_ = nullptr;
  std::atomic<bool> is_look_posted_ = false;
};

}  // namespace baton::api
