// cpprestsdk's U() macro would otherwise leak into whatever comes after it.
#define _TURN_OFF_PLATFORM_STRING  // NOLINT(bugprone-reserved-identifier)

#include "kube/side_client.h"

#include <cpprest/http_client.h>
#include <cpprest/rawptrstream.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pplx/threadpool.h>

#include <condition_variable>
#include <mutex>

#include "base/text.h"
#include "kube/formats.h"
#include "kube/lease_codec.h"
#include "kube/object_codec.h"

namespace baton::kube {
namespace {

namespace client = web::http::client;
using Headers = web::http::http_headers;

// Sockets, timers and continuations share the pool; with one thread the library deadlocks.
constexpr std::size_t kPoolThreads = 3;
constexpr std::size_t kLargestBody = std::size_t{1} << 20;
// The library's timer is per stage and no deadline. It only ends what was forgotten.
constexpr std::chrono::seconds kStageTimeout{60};

/// One request under way. Shared by the caller, who may leave at the deadline, and the pool.
struct Call {
  std::unique_ptr<std::uint8_t[]> body{new std::uint8_t[kLargestBody]};  // touched as it fills
  concurrency::streams::rawptr_buffer<std::uint8_t> buffer{body.get(), kLargestBody,
                                                           std::ios_base::out};
  pplx::cancellation_token_source cancel;
  std::mutex mutex;
  std::condition_variable finished;
  // Protected by mutex.
  bool is_finished = false;
  bool was_cut = false;  // a kept connection that the server had closed
  SideAnswer answer;
};

void finish(Call& call, const pplx::task<web::http::http_response>& task) {
  SideAnswer answer;
  bool was_cut = false;
  try {
    const web::http::http_response response = task.get();
    const auto length = static_cast<std::streamoff>(call.buffer.getpos(std::ios_base::out));
    answer.status = response.status_code();
    answer.body.assign(call.body.get(), call.body.get() + std::max<std::streamoff>(length, 0));
    if (const auto date = response.headers().find("Date"); date != response.headers().end()) {
      answer.date_s = parse_http_date(date->second);
    }
  } catch (const web::http::http_exception& exception) {
    const std::error_code& code = exception.error_code();
    // Codes of TLS are OpenSSL's own numbers.
    const char* of_tls = ERR_reason_error_string(static_cast<unsigned long>(code.value()));
    answer.what = printable(exception.what());
    if (of_tls != nullptr) answer.what += std::string(": ") + of_tls;
    was_cut = code == std::errc::broken_pipe || code == std::errc::connection_reset ||
              code == std::errc::connection_aborted;
  } catch (const std::exception& exception) {
    answer.what = printable(exception.what());
  } catch (...) {
    answer.what = "failed for an unknown reason";
  }
  const std::lock_guard lock(call.mutex);
  call.answer = std::move(answer);
  call.was_cut = was_cut;
  call.is_finished = true;
  call.finished.notify_all();
}

/// Trust in the cluster's CA alone, and the server's name from its SANs alone: the library by
/// itself trusts the system's CAs and falls back to the CN. An exception becomes the task's.
void set_up_tls(boost::asio::ssl::context& context, const http::ClientTls& tls,
                const std::string& name) {
  SSL_CTX* native = context.native_handle();
  SSL_CTX_set_cert_store(native, X509_STORE_new());
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  context.add_certificate_authority(boost::asio::buffer(tls.ca_pem));
  if (!tls.client_certificate_pem.empty()) {
    context.use_certificate_chain(boost::asio::buffer(tls.client_certificate_pem));
    context.use_private_key(boost::asio::buffer(tls.client_key_pem),
                            boost::asio::ssl::context::pem);
  }
  X509_VERIFY_PARAM* param = SSL_CTX_get0_param(native);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(param, name.c_str(), name.size());
  }
}

web::http::http_request make_request(const std::string& method, const std::string& path,
                                     const std::string& body, Credentials& credentials,
                                     Call& call) {
  web::http::http_request request(method);
  request.set_request_uri(credentials.cluster().path_prefix + path);
  request.set_response_stream(call.buffer.create_ostream());
  Headers& headers = request.headers();
  headers.add("Accept", "application/json");
  headers.add("User-Agent", "baton/" BATON_VERSION);
  // The library verifies and sends as SNI the Host header, if there is one.
  const std::string& name = credentials.cluster().tls_server_name;
  if (!name.empty()) headers.add("Host", name);
  if (const std::string token = credentials.bearer(); !token.empty()) {
    headers.add("Authorization", "Bearer " + token);
  }
  if (!body.empty()) {
    request.set_body(body, method == "PATCH" ? "application/merge-patch+json" : "application/json");
  }
  return request;
}

}  // namespace

std::string explain(const std::string& what, const SideAnswer& answer) {
  return what + ": " +
         (answer.status == 0 ? answer.what
                             : std::to_string(answer.status) + ": " + status_message(answer.body));
}

SideClient::SideClient(std::shared_ptr<Credentials> credentials)
    : credentials_(std::move(credentials)) {
  static std::once_flag once;
  std::call_once(once, [] { crossplat::threadpool::initialize_with_threads(kPoolThreads); });
}

SideAnswer SideClient::request(const std::string& method, const std::string& path,
                               const std::string& body, Duration timeout) {
  const Instant deadline = boot_now() + timeout;
  SideAnswer answer;
  try {
    bool was_cut = false;
    answer = send(method, path, body, deadline, was_cut);
    // What was sent twice is told apart: a review changes nothing, an Event has its own name, a
    // label is the same twice, and an EndpointSlice goes over one version.
    if (was_cut) answer = send(method, path, body, deadline, was_cut);
  } catch (const std::exception& exception) {  // a path that is no URI
    answer.what = printable(exception.what());
  }
  if (answer.status == 401) credentials_->drop_token();
  return answer;
}

SideAnswer SideClient::send(const std::string& method, const std::string& path,
                            const std::string& body, Instant deadline, bool& was_cut) {
  const auto http_client = current_client();
  if (!http_client) return {0, "", http_client.error(), {}};
  const auto call = std::make_shared<Call>();
  (*http_client)
      ->request(make_request(method, path, body, *credentials_, *call), call->cancel.get_token())
      .then([](const web::http::http_response& response) { return response.content_ready(); })
      .then([call](const pplx::task<web::http::http_response>& task) { finish(*call, task); });

  std::unique_lock lock(call->mutex);
  if (!call->finished.wait_for(lock, deadline - boot_now(), [&] { return call->is_finished; })) {
    lock.unlock();
    call->cancel.cancel();
    return {0, "", "no answer in time", {}};
  }
  was_cut = call->was_cut;
  return call->answer;
}

Result<std::shared_ptr<client::http_client>> SideClient::current_client() {
  const Cluster& cluster = credentials_->cluster();
  const Result<http::ClientTls> tls = read_tls(cluster);
  const std::lock_guard lock(mutex_);
  if (!tls && !client_) return Error{tls.error()};
  if (client_ && (!tls || *tls == tls_)) return client_;

  client::http_client_config config;
  config.set_timeout(kStageTimeout);
  config.set_max_redirects(0);  // a redirect would take the token along
  const std::string name =
      cluster.tls_server_name.empty() ? cluster.endpoint.host : cluster.tls_server_name;
  config.set_ssl_context_callback(
      [tls = *tls, name](boost::asio::ssl::context& context) { set_up_tls(context, tls, name); });
  // An IPv6 address goes without its brackets, which the library would try to resolve.
  client_ = std::make_shared<client::http_client>(
      "https://" + cluster.endpoint.host + ":" + std::to_string(cluster.endpoint.port), config);
  tls_ = *tls;
  return client_;
}

Result<OwnPod> SideClient::get_pod(const std::string& namespace_name, const std::string& pod,
                                   Duration timeout) {
  const SideAnswer answer =
      request("GET", "/api/v1/namespaces/" + namespace_name + "/pods/" + pod, "", timeout);
  const std::string what = "get pod " + namespace_name + "/" + pod;
  if (answer.status != 200) return Error{explain(what, answer)};
  Result<OwnPod> decoded = decode_pod(answer.body);
  if (!decoded) return Error{what + ": " + decoded.error()};
  if (!answer.date_s) return Error{what + ": the answer has no Date"};
  decoded->server_date_s = *answer.date_s;
  return decoded;
}

std::string SideClient::create_event(const ObjectEvent& event, Duration timeout) {
  // As other components name theirs, the object's name and something unique, within 253 bytes.
  const std::string now = wall_now_micro();
  const std::size_t unique = std::hash<std::string>()(
      event.identity + now + event.message + std::to_string(boot_now().time_since_epoch().count()));
  std::string name = event.name.substr(0, 200);
  while (!name.empty() && (name.back() == '.' || name.back() == '-')) name.pop_back();
  name += "." + std::to_string(unique);
  const SideAnswer answer =
      request("POST", "/api/v1/namespaces/" + event.namespace_name + "/events?fieldManager=baton",
              encode_event(event, name, now), timeout);
  // 409: the same one, sent again after a cut, had arrived.
  if (answer.status == 201 || answer.status == 409) return "";
  return explain("create event in " + event.namespace_name, answer);
}

Result<bool> SideClient::can_i(const ReviewQuestion& question, Duration timeout) {
  const SideAnswer answer =
      request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
              encode_review(question), timeout);
  if (answer.status != 201 && answer.status != 200) return Error{explain("access review", answer)};
  return decode_review(answer.body);
}

}  // namespace baton::kube
