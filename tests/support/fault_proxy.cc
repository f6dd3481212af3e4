#include "support/fault_proxy.h"

#include <algorithm>
#include <array>
#include <boost/algorithm/string/predicate.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/text.h"
#include "devserver/answers.h"
#include "devserver/api_server.h"
#include "devserver/request.h"
#include "kube/formats.h"

namespace baton::test {

using devserver::alter;
using devserver::answer_of;
using devserver::Fault;
using devserver::FaultKind;
using devserver::text_in;
using nlohmann::json;

namespace {

constexpr auto kUpstreamBound = std::chrono::seconds(60);
constexpr std::size_t kLogLimit = 50000;

// What belongs to one connection, or names what is not sent on: compressed answers.
http::Headers end_to_end(const http::Headers& headers) {
  static const std::array kOfTheConnection = {
      "Host", "Connection",      "Content-Length", "Transfer-Encoding",
      "Date", "Accept-Encoding", "Expect",         "Keep-Alive"};
  http::Headers kept;
  for (const auto& header : headers) {
    if (std::none_of(kOfTheConnection.begin(), kOfTheConnection.end(),
                     [&](const char* name) { return boost::iequals(name, header.first); })) {
      kept.push_back(header);
    }
  }
  return kept;
}

// The service account's name in a bound token, which is not verified here; "" if it is none.
std::string account_in(const std::string& token) {
  const auto begin = token.find('.') + 1;
  const auto payload = kube::decode_base64(token.substr(begin, token.find('.', begin) - begin));
  const std::string subject = text_in(payload.value_or(""), "/sub");
  return subject.substr(subject.rfind(':') + 1);
}

Duration time_for(std::size_t bytes, const Fault& fault) {
  return std::chrono::milliseconds(1000 * static_cast<std::int64_t>(bytes) / fault.bytes_per_s);
}

http::Response refused(int status, const std::string& why) {
  return devserver::json_answer(status, {{"error", why}});
}

// Never half there for a reader.
void replace_file(const std::string& path, const std::string& text) {
  std::ofstream(path + ".new") << text;
  std::filesystem::permissions(
      path + ".new", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::rename(path + ".new", path);
}

}  // namespace

/// The API server: connections to it, kept for the next request.
class FaultProxy::Upstream {
 public:
  explicit Upstream(kube::Cluster cluster) : credentials_(std::move(cluster)) {}

  const http::Endpoint& endpoint() const { return credentials_.cluster().endpoint; }

  std::shared_ptr<http::Connection> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    auto tls = credentials_.tls();
    if (!tls) return nullptr;
    return http::Connection::make(endpoint(), std::move(tls).value());
  }
  void give_back(std::shared_ptr<http::Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (connection->connected()) idle_.push_back(std::move(connection));
  }

 private:
  kube::Credentials credentials_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<http::Connection>> idle_;  // protected by mutex_
};

struct FaultProxy::Call {
  std::shared_ptr<http::Exchange> exchange;  // front's thread
  http::Request request;
  std::shared_ptr<devserver::LoggedRequest> log;  // protected by mutex_
  Fault fault;
  bool is_watch = false;
  bool is_stalled = false;  // call's thread
  // Protected by mutex_.
  bool client_gone = false;
  std::shared_ptr<http::Connection> connection;  // that waits for the API server
};

Result<std::unique_ptr<FaultProxy>> FaultProxy::start(const std::vector<ProxiedUser>& users,
                                                      std::uint16_t port,
                                                      std::uint16_t control_port) {
  std::unique_ptr<FaultProxy> proxy(new FaultProxy);
  for (const ProxiedUser& user : users) {
    if (std::string why = proxy->add_user(user); !why.empty()) return Error{why};
  }
  if (users.empty()) return Error{"no kubeconfig of an API server; give --upstream"};
  const auto connection = proxy->upstream_->take();
  if (!connection) return Error{"the certificate authority in the kubeconfig cannot be used"};
  const http::Request ready{
      "GET", "/readyz", {{"Authorization", "Bearer " + proxy->users_[0].token}}, ""};
  const auto reply = connection->exchange(ready, boot_now() + std::chrono::seconds(10));
  if (reply.kind != http::IoKind::ok) return Error{"the API server does not answer: " + reply.what};
  proxy->address_ = "127.0.0.1:" + std::to_string(port);
  if (std::string why = proxy->open_front(); !why.empty()) return Error{why};
  http::ServerOptions options;
  options.address = "127.0.0.1:" + std::to_string(control_port);
  options.limits = devserver::kGenerousLimits;
  auto control = http::Server::listen(options, [self = proxy.get()](const auto& exchange) {
    http::Response response;
    try {
      response =
          self->control(exchange->request().method, exchange->target(), exchange->request().body);
    } catch (const json::exception& error) {
      response = refused(400, error.what());
    }
    exchange->reply(std::move(response));
  });
  if (!control) return Error{control.error()};
  proxy->control_ = std::move(control).value();
  try {
    proxy->write_kubeconfigs(proxy->authority_->pem());
  } catch (const std::exception& error) {
    return Error{error.what()};
  }
  proxy->control_->start();
  return proxy;
}

FaultProxy::~FaultProxy() {
  if (control_) control_->stop();
  {
    Lock lock(mutex_);
    stopping_ = true;
    for (const CallPointer& call : calls_) {
      if (call->connection) call->connection->cancel();
    }
    changed_.notify_all();
  }
  close_front();
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0; });
}

std::string FaultProxy::add_user(const ProxiedUser& user) {
  auto cluster = kube::from_kubeconfig(user.kubeconfig, "");
  if (!cluster) return cluster.error();
  std::string token = cluster->token;
  if (!cluster->token_file.empty()) {
    const auto text = read_file(cluster->token_file);
    if (!text) return text.error();
    token = trim(*text);
  }
  if (token.empty()) return user.kubeconfig + ": the proxy sends tokens on, and this has none";
  users_.push_back({std::filesystem::path(user.kubeconfig).stem(), token, user.kubeconfig_out});
  const auto& endpoint = cluster->endpoint;
  if (upstream_ && (upstream_->endpoint().host != endpoint.host ||
                    upstream_->endpoint().port != endpoint.port)) {
    return user.kubeconfig + " names another server than the kubeconfig before it";
  }
  if (!upstream_) upstream_ = std::make_shared<Upstream>(*cluster);
  return "";
}

void FaultProxy::write_kubeconfigs(const std::string& ca_pem) const {
  for (const User& user : users_) {
    const std::string path = std::filesystem::absolute(user.kubeconfig_out);
    replace_file(path + ".ca", ca_pem);
    replace_file(path + ".token", user.token + "\n");
    replace_file(path,
                 "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n"
                 "clusters:\n- name: proxy\n  cluster: {server: \"https://" +
                     address_ + "\", certificate-authority: \"" + path +
                     ".ca\"}\n"
                     "users:\n- name: proxy\n  user: {tokenFile: \"" +
                     path +
                     ".token\"}\n"
                     "contexts:\n- name: proxy\n  context: {cluster: proxy, user: proxy, "
                     "namespace: baton-test}\n");
  }
}

std::string FaultProxy::open_front() {
  const auto certificate = authority_->issue({"fault-proxy", {"IP:127.0.0.1", "DNS:localhost"}});
  http::ServerOptions options;
  options.address = address_;
  options.limits = devserver::kGenerousLimits;
  options.tls = std::make_shared<http::ServerTls>(
      http::ServerTls{certificate.certificate_pem, certificate.key_pem, ""});
  auto front = http::Server::listen(
      options, [this](std::shared_ptr<http::Exchange> exchange) { receive(std::move(exchange)); });
  if (!front) return front.error();
  const Lock lock(mutex_);
  front_ = std::move(front).value();
  if (address_.ends_with(":0")) address_ = front_->address();  // once: it is read without the lock
  front_->start();
  return "";
}

// What is posted meanwhile holds exchanges of the front that ends: nobody lets them go until its
// thread has ended.
void FaultProxy::close_front() {
  std::unique_ptr<http::Server> front;
  {
    const Lock lock(mutex_);
    front = std::move(front_);
  }
  if (front) front->stop();
  front.reset();
  std::vector<std::function<void()>> late;
  const Lock lock(mutex_);
  late.swap(late_);
}

void FaultProxy::post(std::function<void()> work) {
  const Lock lock(mutex_);
  if (front_) {
    front_->post(std::move(work));
  } else {
    late_.push_back(std::move(work));
  }
}

void FaultProxy::receive(std::shared_ptr<http::Exchange> exchange) {
  auto call = std::make_shared<Call>();
  call->exchange = std::move(exchange);
  call->request = call->exchange->request();
  call->log = std::make_shared<devserver::LoggedRequest>();
  devserver::LoggedRequest& log = *call->log;
  log.boottime_ns = boot_now().time_since_epoch().count();
  log.user = user_of(call->request);
  log.holder = text_in(call->request.body, "/spec/holderIdentity");
  log.verb = call->request.method == "GET" ? "get" : "create";
  if (const auto parsed =
          devserver::parse_request(call->request.method, call->exchange->target())) {
    log.verb = parsed->access.verb;
    log.resource = parsed->access.resource;
    log.name = parsed->access.name;
    call->is_watch = log.verb == "watch";
  }
  {
    const Lock lock(mutex_);
    log.sequence = ++sequence_;
    call->fault = faults_.for_request(log, boot_now());
    if (call->fault.kind != FaultKind::none) log.fault = to_string(call->fault.kind);
    log_.push_back(call->log);
    if (log_.size() > kLogLimit) log_.pop_front();
    calls_.insert(call);
    ++running_;
  }
  call->exchange->on_closed([this, weak = std::weak_ptr(call)] {
    const auto gone = weak.lock();
    if (!gone) return;
    const Lock lock(mutex_);
    gone->client_gone = true;
    if (gone->is_watch && gone->connection) gone->connection->cancel();
    changed_.notify_all();
  });
  std::thread([this, call]() mutable {
    run(call);
    // Lets the exchange go on its own thread; unanswered, that closes its connection.
    post([call] { call->exchange.reset(); });
    const Lock lock(mutex_);
    calls_.erase(call);
    call.reset();
    --running_;
    changed_.notify_all();
  }).detach();
}

std::string FaultProxy::user_of(const http::Request& request) const {
  const std::string_view given = http::header(request.headers, "Authorization");
  for (const User& user : users_) {
    if (given == "Bearer " + user.token) return user.name;
  }
  return account_in(std::string(given));
}

// Until the API server is asked.
void FaultProxy::run(const CallPointer& call) {
  const Fault& fault = call->fault;
  switch (fault.kind) {
    case FaultKind::drop_request:
    case FaultKind::partition: return wait_for_client_to_go(call);
    case FaultKind::cut: return;
    case FaultKind::answer: return send(call, answer_of(fault));
    case FaultKind::delay_request: pause(fault.delay); break;
    case FaultKind::slow: pause(time_for(call->request.body.size(), fault)); break;
    default: break;
  }
  call->is_watch ? watch(call) : forward(call);
}

void FaultProxy::forward(const CallPointer& call) {
  const auto server = upstream();
  const auto connection = server->take();
  if (!connection) return;
  {
    const Lock lock(mutex_);
    if (stopping_) return;
    call->connection = connection;
  }
  const http::Request request{call->request.method, call->request.target,
                              end_to_end(call->request.headers), call->request.body};
  http::Reply reply = connection->exchange(request, boot_now() + kUpstreamBound);
  log_answer(*call, reply);
  if (call->fault.kind == FaultKind::duplicate) {
    reply = connection->exchange(request, boot_now() + kUpstreamBound);
  }
  {
    const Lock lock(mutex_);
    call->connection = nullptr;
  }
  server->give_back(connection);
  // No answer of the API server's: the client's connection ends without one too.
  if (reply.kind != http::IoKind::ok || !let_answer_pass(call)) return;
  http::Response& response = reply.response;
  response.headers = end_to_end(response.headers);
  switch (call->fault.kind) {
    case FaultKind::truncate: response.body.resize(response.body.size() / 2); break;
    case FaultKind::alter: alter(response, call->fault.patch); break;
    case FaultKind::close_after: response.headers.emplace_back("Connection", "close"); break;
    case FaultKind::slow: pause(time_for(response.body.size(), call->fault)); break;
    default: break;
  }
  send(call, std::move(response));
}

void FaultProxy::log_answer(Call& call, const http::Reply& reply) {
  const Lock lock(mutex_);
  call.log->status = reply.kind == http::IoKind::ok ? reply.response.status : 0;
  call.log->revision = text_in(reply.response.body, "/metadata/resourceVersion");
}

/// What happens to an answer on its way back; false: it never arrives.
bool FaultProxy::let_answer_pass(const CallPointer& call) {
  const Fault& fault = call->fault;
  switch (fault.kind) {
    case FaultKind::cut_after_commit: return false;
    case FaultKind::drop_answer: wait_for_client_to_go(call); return false;
    case FaultKind::delay_answer: pause(fault.delay); return true;
    case FaultKind::hold_answer: {
      Lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !faults_.has(fault.id); });
      return true;
    }
    default: return true;
  }
}

void FaultProxy::watch(const CallPointer& call) {
  const auto server = upstream();
  const auto connection = server->take();
  if (!connection) return;
  {
    const Lock lock(mutex_);
    if (stopping_ || call->client_gone) return;
    call->connection = connection;
  }
  const http::Request request{"GET", call->request.target, end_to_end(call->request.headers), ""};
  http::Reply reply = connection->open_stream(request, boot_now() + kUpstreamBound);
  log_answer(*call, reply);
  reply.response.headers = end_to_end(reply.response.headers);
  if (reply.kind != http::IoKind::ok || !let_answer_pass(call)) return;
  if (reply.response.status != 200) return send(call, std::move(reply.response));
  post([call, head = reply.response] {
    if (call->exchange) call->exchange->start_stream(head);
  });
  std::string error;
  while (const auto line = connection->next_line(kNever, error)) deliver(call, *line);
  {
    const Lock lock(mutex_);
    call->connection = nullptr;
  }
  if (call->is_stalled) return wait_for_client_to_go(call);
  // An orderly end of the server's is passed on as one, a broken stream is cut.
  if (error.empty()) {
    post([call] {
      if (call->exchange) call->exchange->close();
    });
  }
}

void FaultProxy::deliver(const CallPointer& call, const std::string& line) {
  Fault fault;
  {
    const Lock lock(mutex_);
    fault = faults_.for_event(*call->log, boot_now());
  }
  call->is_stalled |= fault.kind == FaultKind::stall || fault.kind == FaultKind::partition;
  if (call->is_stalled) return;
  std::string text = line + "\n";
  if (fault.kind == FaultKind::alter) {
    json event = json::parse(line, nullptr, false);
    if (event.is_object()) event["object"].merge_patch(json::parse(fault.patch));
    text = devserver::dump(event) + "\n";
  }
  if (fault.kind == FaultKind::duplicate) text += text;
  if (fault.kind == FaultKind::delay_answer) pause(fault.delay);
  if (fault.kind == FaultKind::slow) pause(time_for(text.size(), fault));
  post([call, text] {
    if (call->exchange) call->exchange->write(text);
  });
}

void FaultProxy::send(const CallPointer& call, http::Response response) {
  post([call, response = std::move(response)] {
    if (call->exchange) call->exchange->reply(response);
  });
}

std::shared_ptr<FaultProxy::Upstream> FaultProxy::upstream() {
  const Lock lock(mutex_);
  return upstream_;
}

void FaultProxy::pause(Duration duration) {
  Lock lock(mutex_);
  changed_.wait_for(lock, duration, [&] { return stopping_; });
}

void FaultProxy::wait_for_client_to_go(const CallPointer& call) {
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || call->client_gone; });
}

http::Response FaultProxy::control(const std::string& method, const http::Target& target,
                                   const std::string& text) {
  const json body = text.empty() ? json::object() : json::parse(text);
  const auto is = [&](const char* wanted_method, const char* wanted_path) {
    return method == wanted_method && target.path == wanted_path;
  };
  if (target.path == "/faults" || target.path.starts_with("/faults/")) {
    return control_faults(method, target.path.substr(std::min<std::size_t>(target.path.size(), 8)),
                          body);
  }
  if (is("GET", "/requests")) {
    const std::string after = target.query.empty() ? "0" : target.query.front().second;
    return requests_after(
        static_cast<std::uint64_t>(parse_integer(after, 0, INT64_MAX).value_or(0)));
  }
  if (is("POST", "/watches/close")) return close_watches(body.value("user", ""));
  if (is("POST", "/connections/close") || (is("POST", "/listener") && body.at("open") == true)) {
    close_front();
    const std::string why = open_front();
    return why.empty() ? devserver::json_answer(200, json::object()) : refused(500, why);
  }
  if (is("POST", "/listener")) {
    close_front();
    return devserver::json_answer(200, json::object());
  }
  if (is("POST", "/certificate")) return control_certificate(body.value("authority", "same"));
  if (is("POST", "/upstream")) {
    auto cluster = kube::from_kubeconfig(body.at("kubeconfig"), "");
    if (!cluster) return refused(400, cluster.error());
    const Lock lock(mutex_);
    upstream_ = std::make_shared<Upstream>(std::move(cluster).value());
    return devserver::json_answer(200, json::object());
  }
  return refused(404, "no such request: " + method + " " + target.path + "; see docs/devserver.md");
}

http::Response FaultProxy::control_faults(const std::string& method, const std::string& id,
                                          const json& body) {
  const Lock lock(mutex_);
  if (method == "GET" && id.empty()) return devserver::json_answer(200, faults_.list());
  if (method == "POST" && id.empty()) {
    const auto added = faults_.add(body, boot_now());
    return added ? devserver::json_answer(201, {{"id", *added}}) : refused(400, added.error());
  }
  if (method != "DELETE") return refused(405, "/faults takes GET, POST and DELETE");
  changed_.notify_all();
  if (id.empty()) {
    faults_.clear();
  } else if (!faults_.remove(static_cast<int>(parse_integer(id, 1, INT32_MAX).value_or(0)))) {
    return refused(404, "no fault " + id + "; it may have met its count or its time");
  }
  return devserver::json_answer(200, json::object());
}

/// Serves with another certificate from now on; what is connected is cut.
http::Response FaultProxy::control_certificate(const std::string& authority) {
  if (authority != "same" && authority != "new" && authority != "stranger") {
    return refused(400, "\"authority\" is same, new (in the kubeconfigs at once) or stranger");
  }
  if (authority != "same") {
    const std::string before = authority_->pem();
    authority_ = std::make_unique<CertificateAuthority>("fault proxy " + authority);
    if (authority == "new") write_kubeconfigs(before + authority_->pem());
  }
  close_front();
  const std::string why = open_front();
  return why.empty() ? devserver::json_answer(200, json::object()) : refused(500, why);
}

http::Response FaultProxy::requests_after(std::uint64_t sequence) {
  const Lock lock(mutex_);
  json list = json::array();
  for (const auto& entry : log_) {
    if (entry->sequence <= sequence) continue;
    list.push_back({{"sequence", entry->sequence},
                    {"boottime_ns", entry->boottime_ns},
                    {"user", entry->user},
                    {"verb", entry->verb},
                    {"resource", entry->resource},
                    {"name", entry->name},
                    {"holder", entry->holder},
                    {"fault", entry->fault},
                    {"status", entry->status},
                    {"revision", entry->revision}});
  }
  return devserver::json_answer(200, list);
}

http::Response FaultProxy::close_watches(const std::string& user) {
  const Lock lock(mutex_);
  int closed = 0;
  for (const CallPointer& call : calls_) {
    if (call->is_watch && call->connection && (user.empty() || call->log->user == user)) {
      call->connection->cancel();
      ++closed;
    }
  }
  return devserver::json_answer(200, {{"closed", closed}});
}

}  // namespace baton::test
