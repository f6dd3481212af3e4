#include "devserver/api_server.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <utility>

#include "devserver/answers.h"
#include "devserver/objects.h"
#include "devserver/request.h"

namespace baton::devserver {

using nlohmann::json;

namespace {

constexpr const char* kReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LoggedRequest, sequence, boottime_ns, user, verb, resource, name,
                                   holder, fault, status, revision)

struct ApiServer::Call {
  std::shared_ptr<http::Exchange> exchange;
  const User* user = nullptr;
  std::optional<ApiRequest> request;  // empty: a path that is no resource of ours
  std::shared_ptr<LoggedRequest> log;
};

ApiServer::ApiServer(std::vector<User> users)
    : users_(std::move(users)), store_(1, std::random_device()()), watches_(store_, faults_) {}

http::Handler ApiServer::handler() {
  return [this](std::shared_ptr<http::Exchange> exchange) { receive(std::move(exchange)); };
}

void ApiServer::attach(http::Server& server) {
  server_ = &server;
  watches_.attach(server);
}

const User* ApiServer::find_user(const http::Request& request) const {
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = http::header(request.headers, "Authorization");
  if (!given.starts_with(kBearer)) return nullptr;
  given.remove_prefix(kBearer.size());
  given.remove_prefix(given.rfind('.') +
                      1);  // a JWT, whose claims are for its bearer, is signed by it
  for (const User& user : users_) {
    if (given == user.token) return &user;
  }
  return nullptr;
}

void ApiServer::receive(std::shared_ptr<http::Exchange> exchange) {
  auto call = std::make_shared<Call>();
  call->exchange = std::move(exchange);
  const http::Request& request = call->exchange->request();
  call->user = find_user(request);
  call->request = parse_request(request.method, call->exchange->target());
  start_log(*call);
  const Fault fault = faults_.for_request(*call->log, boot_now());
  if (fault.kind != FaultKind::none) call->log->fault = to_string(fault.kind);
  serve(call, fault);
}

void ApiServer::start_log(Call& call) {
  const http::Request& request = call.exchange->request();
  call.log = std::make_shared<LoggedRequest>();
  LoggedRequest& log = *call.log;
  log.sequence = ++sequence_;
  log.boottime_ns = boot_now().time_since_epoch().count();
  log.user = call.user != nullptr ? call.user->name : "";
  if (call.request) {
    const Access& access = call.request->access;
    log.verb = access.verb;
    log.resource = access.resource;
    log.name = access.name;
  } else {
    log.verb = request.method == "POST" ? "create" : "get";
    log.resource = call.exchange->target().path == kReviews ? "selfsubjectaccessreviews" : "";
  }
  log.holder = text_in(request.body, "/spec/holderIdentity");
  log_.push_back(call.log);
  if (log_.size() > kLogLimit) log_.pop_front();
}

// The faults that keep a request from the store, and watches.
void ApiServer::serve(const CallPointer& call, const Fault& fault) {
  const bool is_watch = call->request && call->request->access.verb == "watch";
  switch (fault.kind) {
    case FaultKind::drop_request:
    case FaultKind::partition: return hold(call);
    case FaultKind::cut: return;  // let go unanswered, the exchange closes its connection
    case FaultKind::answer: return reply(call, answer_of(fault));
    case FaultKind::delay_request:
      server_->after(fault.delay, [this, call] { serve(call, {}); });
      return;
    default: break;
  }
  if (is_watch && call->user != nullptr && call->user->may(call->request->access) &&
      call->request->bad_query.empty()) {
    call->log->status = 200;
    watches_.start(call->exchange, *call->request, call->user->name);
    return;
  }
  answer_with(call, fault);
}

// The faults of the answer to a request that the store has seen.
void ApiServer::answer_with(const CallPointer& call, const Fault& fault) {
  http::Response response = answer(*call);
  switch (fault.kind) {
    case FaultKind::cut_after_commit: return;
    case FaultKind::drop_answer: return hold(call);
    case FaultKind::delay_answer:
      server_->after(fault.delay, [this, call, response] { reply(call, response); });
      return;
    case FaultKind::duplicate: response = answer(*call); break;
    case FaultKind::truncate: response.body.resize(response.body.size() / 2); break;
    case FaultKind::alter: alter(response, fault.patch); break;
    default: break;
  }
  reply(call, std::move(response));
}

http::Response ApiServer::answer(const Call& call) {
  const std::string& path = call.exchange->target().path;
  if (path == "/readyz" || path == "/livez" || path == "/healthz") {
    return {200, {{"Content-Type", "text/plain; charset=utf-8"}}, "ok"};
  }
  if (call.user == nullptr) return failure(401, "Unauthorized", "Unauthorized");
  const http::Request& request = call.exchange->request();
  if (path == "/version") {
    return json_answer(200, {{"major", "1"}, {"minor", "36"}, {"gitVersion", "v1.36.3+devserver"}});
  }
  if (path == kReviews && request.method == "POST") return review_access(*call.user, request.body);
  if (!call.request) {
    return failure(404, "NotFound", "the server could not find the requested resource");
  }
  if (call.request->access.verb.empty()) {
    return failure(405, "MethodNotAllowed",
                   "the server does not allow this method on the requested resource");
  }
  if (!call.user->may(call.request->access)) return forbidden(*call.user, call.request->access);
  if (!call.request->bad_query.empty()) return bad_request(call.request->bad_query);
  try {
    return answer_request(store_, *call.request, *call.user,
                          std::string(http::header(request.headers, "Content-Type")), request.body);
  } catch (const std::exception& error) {  // of the JSON library, or of whole_number()
    return bad_request(error.what());
  }
}

void ApiServer::reply(const CallPointer& call, http::Response response) {
  call->log->status = response.status;
  call->log->revision = text_in(response.body, "/metadata/resourceVersion");
  call->exchange->reply(std::move(response));
}

void ApiServer::hold(const CallPointer& call) {
  held_.insert(call);
  const std::weak_ptr<Call> weak = call;
  call->exchange->on_closed([this, weak] {
    server_->post([this, weak] {
      if (const auto gone = weak.lock()) held_.erase(gone);
    });
  });
}

json ApiServer::requests_after(std::uint64_t sequence) const {
  json list = json::array();
  for (const auto& entry : log_) {
    if (entry->sequence > sequence) list.push_back(*entry);
  }
  return list;
}

}  // namespace baton::devserver
