#include "kube/lease_client.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "kube/formats.h"
#include "kube/lease_codec.h"

namespace baton::kube {
namespace {

using election::Failure;
using election::FailureKind;
using election::WriteKind;
using http::IoKind;
using std::chrono::seconds;

// The API server's own advice is 1 to 32 s; a longer one would only delay a recovery.
constexpr std::int64_t kLongestRetryAfterS = 60;
// After its own timeoutSeconds the server has this long to end a watch. Silence is noticed much
// earlier by who called run().
constexpr Duration kWatchOverrun = seconds(30);

/// What the requests to one Lease share: where they go and how their failures read.
class Api {
 public:
  Api(std::shared_ptr<Credentials> credentials, LeaseTarget target)
      : credentials_(std::move(credentials)), target_(std::move(target)) {}

  const LeaseTarget& target() const { return target_; }
  Instant deadline() const { return boot_now() + target_.request_timeout; }
  Result<std::shared_ptr<http::TlsContext>> tls() { return credentials_->tls(); }
  std::unique_ptr<http::Connection> connection(std::shared_ptr<http::TlsContext> tls) const {
    return http::Connection::make(credentials_->cluster().endpoint, std::move(tls));
  }
  http::Request get(const std::string& query) {
    return request("GET", "?fieldSelector=metadata.name%3D" + target_.name + query);
  }
  http::Request put(std::string body) {
    http::Request request =
        this->request("PUT", "/" + target_.name + "?fieldManager=baton" + timeout_parameter());
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = std::move(body);
    return request;
  }
  std::string timeout_parameter() const {
    const auto whole = std::chrono::ceil<seconds>(target_.request_timeout);
    return "&timeout=" + std::to_string(std::max(whole, seconds(1)).count()) + "s";
  }
  /// Why there is no good answer. After a 401 the token will be read afresh.
  Failure failure(const std::string& verb, const http::Reply& reply);
  /// An answer that is no Lease. Of a write it leaves open whether it was applied.
  Failure garbled(const std::string& verb, bool of_write, const std::string& why) const {
    return {of_write ? FailureKind::unknown : FailureKind::garbled, {}, prefix(verb) + why};
  }
  std::string prefix(const std::string& verb) const {
    return verb + " lease " + target_.namespace_name + "/" + target_.name + ": ";
  }

 private:
  http::Request request(const std::string& method, const std::string& rest) {
    const std::string path = credentials_->cluster().path_prefix +
                             "/apis/coordination.k8s.io/v1/namespaces/" + target_.namespace_name +
                             "/leases" + rest;
    http::Request request{
        method, path, {{"Accept", "application/json"}, {"User-Agent", "baton/" BATON_VERSION}}, ""};
    if (const std::string token = credentials_->bearer(); !token.empty()) {
      request.headers.emplace_back("Authorization", "Bearer " + token);
    }
    return request;
  }
  std::string mend(const std::string& verb, int status) const;

  const std::shared_ptr<Credentials> credentials_;
  const LeaseTarget target_;
};

std::string Api::mend(const std::string& verb, int status) const {
  if (status == 401) {
    const Cluster& cluster = credentials_->cluster();
    return "; the credentials are not accepted: renew " +
           (cluster.token_file.empty() ? "those of " + cluster.source : cluster.token_file);
  }
  if (status != 403) return "";
  // A PUT that creates is authorised as an update first.
  const std::string verbs = verb == "create" ? "'update' and 'create'" : "'" + verb + "'";
  return "; bind the Role 'lease', or another that allows " + verbs +
         " on leases.coordination.k8s.io '" + target_.name + "' in namespace '" +
         target_.namespace_name + "', to this identity";
}

Failure Api::failure(const std::string& verb, const http::Reply& reply) {
  if (reply.kind != IoKind::ok) return {FailureKind::unknown, {}, prefix(verb) + reply.what};
  const int status = reply.response.status;
  if (status == 401) credentials_->drop_token();
  Failure failure{failure_kind(status),
                  {},
                  prefix(verb) + std::to_string(status) + ": " +
                      status_message(reply.response.body) + mend(verb, status)};
  const auto text = trim(http::header(reply.response.headers, "Retry-After"));
  if (const auto after = parse_integer(text, 0, INT64_MAX)) {
    failure.retry_after = seconds(std::min(*after, kLongestRetryAfterS));
  }
  return failure;
}

http::Reply no_connection(const std::string& why) {
  http::Reply reply;
  reply.kind = IoKind::not_sent;
  reply.what = why;
  return reply;
}

}  // namespace

class LeaseClient::Impl {
 public:
  Impl(std::shared_ptr<Credentials> credentials, LeaseTarget target)
      : api_(std::move(credentials), std::move(target)) {}

  ListAnswer list(election::RequestId id) {
    const http::Reply reply = exchange(api_.get(api_.timeout_parameter()));
    if (reply.kind != IoKind::ok || reply.response.status != 200) {
      return election::ListFailed{id, api_.failure("list", reply)};
    }
    auto list = decode_lease_list(reply.response.body, api_.target().name);
    if (!list) return election::ListFailed{id, api_.garbled("list", false, list.error())};
    return election::Listed{id, list->revision, std::move(list->lease)};
  }

  WriteAnswer write(election::RequestId id, const election::LeaseWrite& write) {
    const char* verb = write.kind == WriteKind::create ? "create" : "update";
    const LeaseTarget& target = api_.target();
    const http::Reply reply = exchange(
        api_.put(encode_write(write, target.namespace_name, target.name, wall_now_micro())));
    if (reply.kind != IoKind::ok || reply.response.status >= 300) {
      return election::WriteFailed{id, api_.failure(verb, reply)};
    }
    auto lease = decode_lease(reply.response.body);
    if (!lease) {
      connection_->close();
      return election::WriteFailed{id, api_.garbled(verb, true, lease.error())};
    }
    return election::Written{id, std::move(*lease)};
  }

  void dial_ahead() {
    const Instant deadline = api_.deadline();
    begin();
    if (const std::string why = prepare(); why.empty()) connection_->connect(deadline);
    end();
  }

  void cancel() {
    const std::lock_guard lock(mutex_);
    canceled_ = running_;
    if (running_ && connection_) connection_->cancel();
  }

  std::optional<std::int64_t> server_date_s() const {
    const std::lock_guard lock(mutex_);
    return date_s_;
  }

 private:
  http::Reply exchange(const http::Request& request) {
    const Instant deadline = api_.deadline();
    begin();
    const std::string why = prepare();
    http::Reply reply = why.empty() ? connection_->exchange(request, deadline) : no_connection(why);
    end();
    const auto date = parse_http_date(http::header(reply.response.headers, "Date"));
    if (date) {
      const std::lock_guard lock(mutex_);
      date_s_ = *date;
    }
    return reply;
  }

  void begin() {
    const std::lock_guard lock(mutex_);
    running_ = true;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    running_ = false;
    // A cancel that came too late to stop this call must not stop the next one.
    if (std::exchange(canceled_, false)) connection_.reset();
  }

  /// An open connection, or one to be opened with the trust and identity of now. "" or why not.
  std::string prepare() {
    if (connection_ && connection_->connected()) return "";
    const auto tls = api_.tls();
    if (!tls) return tls.error();
    const std::lock_guard lock(mutex_);
    if (canceled_) return "canceled";
    if (!connection_ || tls_ != *tls) {
      tls_ = *tls;
      connection_ = api_.connection(tls_);
    }
    return "";
  }

  Api api_;
  std::shared_ptr<http::TlsContext> tls_;
  mutable std::mutex mutex_;
  // Protected by mutex_; connection_ is replaced only by the caller's thread, which may use it
  // without the lock.
  std::unique_ptr<http::Connection> connection_;
  bool running_ = false;
  bool canceled_ = false;
  std::optional<std::int64_t> date_s_;
};

LeaseClient::LeaseClient(std::shared_ptr<Credentials> credentials, LeaseTarget target)
    : impl_(std::make_unique<Impl>(std::move(credentials), std::move(target))) {}
LeaseClient::~LeaseClient() = default;
ListAnswer LeaseClient::list(election::RequestId id) { return impl_->list(id); }
WriteAnswer LeaseClient::write(election::RequestId id, const election::LeaseWrite& write) {
  return impl_->write(id, write);
}
void LeaseClient::dial_ahead() { impl_->dial_ahead(); }
void LeaseClient::cancel() { impl_->cancel(); }
std::optional<std::int64_t> LeaseClient::server_date_s() const { return impl_->server_date_s(); }

class LeaseWatch::Impl {
 public:
  Impl(std::shared_ptr<Credentials> credentials, LeaseTarget target)
      : api_(std::move(credentials), std::move(target)) {}

  Failure run(election::WatchId id, election::Revision from, int timeout_s,
              const std::function<void(election::Watched)>& sink) {
    const auto tls = api_.tls();
    if (!tls) return api_.failure("watch", no_connection(tls.error()));
    {
      const std::lock_guard lock(mutex_);
      if (id <= canceled_up_to_) return canceled();
      running_ = id;
      connection_ = api_.connection(*tls);
    }
    Failure failure = stream(id, from, timeout_s, sink);
    const std::lock_guard lock(mutex_);
    connection_.reset();
    return failure;
  }

  void cancel() {
    const std::lock_guard lock(mutex_);
    if (connection_) connection_->cancel();
  }

  void cancel(election::WatchId up_to) {
    const std::lock_guard lock(mutex_);
    canceled_up_to_ = std::max(canceled_up_to_, up_to);
    if (connection_ && running_ <= up_to) connection_->cancel();
  }

 private:
  Failure canceled() const { return {FailureKind::unknown, {}, api_.prefix("watch") + "canceled"}; }

  Failure stream(election::WatchId id, election::Revision from, int timeout_s,
                 const std::function<void(election::Watched)>& sink) {
    const http::Request request =
        api_.get("&watch=true&allowWatchBookmarks=true&resourceVersion=" + std::to_string(from) +
                 "&timeoutSeconds=" + std::to_string(timeout_s));
    const http::Reply reply = connection_->open_stream(request, api_.deadline());
    if (reply.kind == IoKind::canceled) return canceled();
    if (reply.kind != IoKind::ok || reply.response.status != 200) {
      return api_.failure("watch", reply);
    }
    const Instant end = boot_now() + seconds(timeout_s) + kWatchOverrun;
    std::string error;
    while (const auto line = connection_->next_line(end, error)) {
      if (line->empty()) continue;
      WatchLine decoded = decode_watch_line(*line);
      if (!decoded.event) {
        decoded.failure.what = api_.prefix("watch") + decoded.failure.what;
        return decoded.failure;
      }
      decoded.event->id = id;
      sink(std::move(*decoded.event));
    }
    return {FailureKind::unknown,
            {},
            api_.prefix("watch") + (error.empty() ? "ended by the server" : error)};
  }

  Api api_;
  std::mutex mutex_;
  // Protected by mutex_; connection_ lives while run() does and is used by its thread without lock.
  std::unique_ptr<http::Connection> connection_;
  election::WatchId running_ = 0;
  election::WatchId canceled_up_to_ = 0;  // ids begin at 1
};

LeaseWatch::LeaseWatch(std::shared_ptr<Credentials> credentials, LeaseTarget target)
    : impl_(std::make_unique<Impl>(std::move(credentials), std::move(target))) {}
LeaseWatch::~LeaseWatch() = default;
election::WatchEnded LeaseWatch::run(election::WatchId id, election::Revision from, int timeout_s,
                                     const std::function<void(election::Watched)>& sink) {
  return {id, impl_->run(id, from, timeout_s, sink)};
}
void LeaseWatch::cancel() { impl_->cancel(); }
void LeaseWatch::cancel(election::WatchId up_to) { impl_->cancel(up_to); }

}  // namespace baton::kube
