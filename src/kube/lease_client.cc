#include "kube/lease_client.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/text.h"
#include "kube/formats.h"
#include "kube/lease_codec.h"

namespace baton::kube {

using election::Failure;
using election::FailureKind;
using election::WriteKind;
using http::IoKind;
using std::chrono::seconds;

namespace {

// The API server's own advice is 1 to 32 s; a longer one would only delay a recovery.
constexpr std::int64_t kLongestRetryAfterS = 60;
// After its own timeoutSeconds the server has this long to end a watch. Silence is noticed much
// earlier by who called run().
constexpr Duration kWatchOverrun = seconds(30);

}  // namespace

http::Request LeaseRequests::request(const std::string& method, const std::string& rest) const {
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

http::Request LeaseRequests::get(const std::string& more_query) const {
  return request("GET", "?fieldSelector=metadata.name%3D" + target_.name + more_query);
}

std::string LeaseRequests::timeout_parameter() const {
  const auto whole = std::chrono::ceil<seconds>(target_.request_timeout);
  return "&timeout=" + std::to_string(std::max(whole, seconds(1)).count()) + "s";
}

std::string LeaseRequests::prefix(const std::string& verb) const {
  return verb + " lease " + target_.namespace_name + "/" + target_.name + ": ";
}

Failure LeaseRequests::failure(const std::string& verb, const http::Reply& reply) const {
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

std::string LeaseRequests::mend(const std::string& verb, int status) const {
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

std::int64_t LeaseRequests::date_of(const http::Reply& reply) const {
  const auto date_s = parse_http_date(http::header(reply.response.headers, "Date"));
  if (!date_s) return 0;
  clock_->heard(*date_s, boot_now());
  return *date_s;
}

ListAnswer LeaseClient::list(election::RequestId id) {
  const http::Reply reply = exchange(get(timeout_parameter()));
  if (reply.kind != IoKind::ok || reply.response.status != 200) {
    return election::ListFailed{id, failure("list", reply)};
  }
  auto list = decode_lease_list(reply.response.body, target_.name);
  if (!list) {
    return election::ListFailed{id, {FailureKind::garbled, {}, prefix("list") + list.error()}};
  }
  if (list->lease) clock_->read_pause(*list->lease);
  return election::Listed{id, list->revision, std::move(list->lease)};
}

WriteAnswer LeaseClient::write(election::RequestId id, const election::LeaseWrite& write) {
  const char* verb = write.kind == WriteKind::create ? "create" : "update";
  http::Request put =
      request("PUT", "/" + target_.name + "?fieldManager=baton" + timeout_parameter());
  put.headers.emplace_back("Content-Type", "application/json");
  put.body = encode_write(write, target_.namespace_name, target_.name, wall_now_micro());
  const bool is_release = write.kind == WriteKind::release;
  failpoint(Failpoint::write_before_send);
  if (is_release) failpoint(Failpoint::release_before_send);
  const http::Reply reply = exchange(put);
  failpoint(Failpoint::write_answered);
  if (is_release) failpoint(Failpoint::release_answered);
  if (reply.kind != IoKind::ok || reply.response.status >= 300) {
    return election::WriteFailed{id, failure(verb, reply)};
  }
  auto lease = last_->decode(reply.response.body);
  if (!lease) {  // which leaves open whether the write was applied
    connection_->close();
    return election::WriteFailed{id, {FailureKind::unknown, {}, prefix(verb) + lease.error()}};
  }
  clock_->read_pause(*lease);
  return election::Written{id, std::move(*lease)};
}

void LeaseClient::dial_ahead() {
  const Instant until = deadline();
  if (prepare().empty()) connection_->connect(until);
}

void LeaseClient::cancel() {
  const std::lock_guard lock(mutex_);
  is_canceled_ = true;
  if (connection_) connection_->cancel();
}

http::Reply LeaseClient::exchange(const http::Request& request) {
  const Instant until = deadline();
  if (std::string why = prepare(); !why.empty()) return {IoKind::not_sent, std::move(why), {}};
  http::Reply reply = connection_->exchange(request, until);
  if (const std::int64_t date_s = date_of(reply); date_s != 0) date_s_ = date_s;
  // A client certificate is its connection's: one that was renewed needs a new one.
  if (reply.response.status == 401) connection_->close();
  return reply;
}

/// An open connection, or one to be opened with the trust and identity of now. "" or why not.
std::string LeaseClient::prepare() {
  if (connection_ && connection_->connected()) return "";
  const auto tls = credentials_->tls();
  if (!tls) return tls.error();
  const std::lock_guard lock(mutex_);
  if (is_canceled_) return "canceled";
  if (!connection_ || tls_ != *tls) {
    tls_ = *tls;
    connection_ = http::Connection::make(credentials_->cluster().endpoint, tls_);
  }
  return "";
}

election::WatchEnded LeaseWatch::run(election::WatchId id, election::Revision from, int timeout_s,
                                     const Sink& sink) {
  const auto tls = credentials_->tls();
  if (!tls) return {id, {FailureKind::unknown, {}, prefix("watch") + tls.error()}};
  {
    const std::lock_guard lock(mutex_);
    if (id <= canceled_up_to_)
      return {id, {FailureKind::unknown, {}, prefix("watch") + "canceled"}};
    running_ = id;
    connection_ = http::Connection::make(credentials_->cluster().endpoint, *tls);
  }
  Failure why = stream(id, from, timeout_s, sink);
  const std::lock_guard lock(mutex_);
  connection_.reset();
  return {id, std::move(why)};
}

void LeaseWatch::cancel(election::WatchId up_to) {
  const std::lock_guard lock(mutex_);
  canceled_up_to_ = std::max(canceled_up_to_, up_to);
  if (connection_ && running_ <= up_to) connection_->cancel();
}

Failure LeaseWatch::stream(election::WatchId id, election::Revision from, int timeout_s,
                           const Sink& sink) {
  const http::Request watch =
      get("&watch=true&allowWatchBookmarks=true&resourceVersion=" + std::to_string(from) +
          "&timeoutSeconds=" + std::to_string(timeout_s));
  const http::Reply reply = connection_->open_stream(watch, deadline());
  if (reply.kind != IoKind::ok || reply.response.status != 200) return failure("watch", reply);
  date_of(reply);
  const Instant end = boot_now() + seconds(timeout_s) + kWatchOverrun;
  std::string error;
  while (const auto line = connection_->next_line(end, error)) {
    if (line->empty()) continue;
    WatchLine decoded = decode(*line);
    if (!decoded.event) {
      decoded.failure.what = prefix("watch") + decoded.failure.what;
      return decoded.failure;
    }
    decoded.event->id = id;
    if (decoded.event->lease) clock_->read_pause(*decoded.event->lease);
    sink(std::move(*decoded.event));
  }
  if (error.empty()) return {FailureKind::ended, {}, prefix("watch") + "ended by the server"};
  return {FailureKind::unknown, {}, prefix("watch") + error};
}

WatchLine LeaseWatch::decode(std::string_view line) const {
  if (const auto object = modified_object(line); !object.empty()) {
    Result<election::Lease> lease = last_->decode(object);
    if (lease && lease->version) {
      return {{{0, election::WatchEventKind::changed, *lease->version, std::move(*lease)}}, {}};
    }
  }
  return decode_watch_line(line);
}

}  // namespace baton::kube
