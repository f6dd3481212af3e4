#include <algorithm>

#include "base/text.h"
#include "http/tls.h"
#include "kube/cluster.h"
#include "kube/object_codec.h"

namespace baton::kube {
namespace {

constexpr Duration kTokenAge = std::chrono::seconds(60);

/// A token goes into a header: anything but visible ASCII inside it would write another header.
bool is_token(std::string_view text) {
  const auto is_visible = [](unsigned char c) { return c > 0x20 && c < 0x7F; };
  return !text.empty() && std::ranges::all_of(text, is_visible);
}

Result<std::string> read_token(const std::string& path) {
  Result<std::string> text = read_file(path);
  if (!text) return text;
  const std::string_view token = trim(*text);
  if (is_token(token)) return std::string(token);
  return Error{path + ": holds no token, which is one word of visible ASCII characters"};
}

/// Of the file if one is named, else the text.
Result<std::string> read_pem(const std::string& file, const std::string& text) {
  return file.empty() ? Result<std::string>(text) : read_file(file);
}

}  // namespace

Result<http::ClientTls> read_tls(const Cluster& cluster) {
  const Result<std::string> ca = read_pem(cluster.ca_file, cluster.ca_pem);
  if (!ca) return Error{"certificate authority: " + ca.error()};
  const Result<std::string> certificate =
      read_pem(cluster.client_certificate_file, cluster.client_certificate_pem);
  if (!certificate) return Error{"client certificate: " + certificate.error()};
  const Result<std::string> key = read_pem(cluster.client_key_file, cluster.client_key_pem);
  if (!key) return Error{"client key: " + key.error()};
  return http::ClientTls{
      .ca_pem = *ca,
      .server_name = cluster.tls_server_name,
      .client_certificate_pem = *certificate,
      .client_key_pem = *key,
      .ca_words = "the CA (the kubeconfig's, or in a Pod the service account's ca.crt)",
      .server_name_words = "tls-server-name"};
}

std::vector<std::string> check_files(const Cluster& cluster) {
  std::vector<std::string> wrong;
  if (!cluster.token_file.empty()) {
    if (const auto token = read_token(cluster.token_file); !token) wrong.push_back(token.error());
  } else if (!cluster.token.empty() && !is_token(cluster.token)) {
    wrong.emplace_back(
        "token is none, which is one word of visible ASCII characters; write it on one line");
  }
  const auto is_named = [](const std::string& pem, const std::string& file) {
    return !pem.empty() || !file.empty();
  };
  // What is not named at all is no file's fault.
  if (!is_named(cluster.ca_pem, cluster.ca_file) ||
      is_named(cluster.client_certificate_pem, cluster.client_certificate_file) !=
          is_named(cluster.client_key_pem, cluster.client_key_file)) {
    return wrong;
  }
  const auto tls = Credentials(cluster).tls();
  if (!tls.ok()) {
    wrong.push_back(tls.error() +
                    (cluster.ca_file.empty() ? "" : " (CA file " + cluster.ca_file + ")"));
  }
  return wrong;
}

Credentials::Credentials(Cluster cluster) : cluster_(std::move(cluster)) {}

std::string Credentials::bearer() {
  if (cluster_.token_file.empty()) return cluster_.token;
  const std::lock_guard lock(mutex_);
  const Instant now = boot_now();
  if (token_.empty() || token_read_at_ == kLongAgo || now - token_read_at_ > kTokenAge) {
    // Unreadable for a moment: the old one goes on, and the next call tries again.
    if (Result<std::string> token = read_token(cluster_.token_file); token.ok()) {
      token_ = std::move(*token);
      token_read_at_ = now;
    }
  }
  return token_;
}

void Credentials::drop_token() {
  const std::lock_guard lock(mutex_);
  token_read_at_ = kLongAgo;
}

Result<std::shared_ptr<http::TlsContext>> Credentials::tls() {
  const std::lock_guard lock(mutex_);
  const Result<http::ClientTls> read = read_tls(cluster_);
  if (!read && !tls_) return Error{read.error()};
  if (tls_ && (!read || *read == tls_material_)) return tls_;
  Result<std::shared_ptr<http::TlsContext>> made = http::make_tls_context(*read);
  // Where it fails half of a rotation may be there: the other file has not been written yet.
  if (!made) return tls_ ? tls_ : made;
  tls_ = *made;
  tls_material_ = *read;
  return tls_;
}

Validity Credentials::token_validity() { return decode_claims(bearer()).validity; }

// Not under the mutex: no request waits for the files (R15).
Validity Credentials::client_certificate_validity() const {
  const Result<http::ClientTls> tls = read_tls(cluster_);
  const auto period = http::validity_of(tls ? tls->client_certificate_pem : "");
  return period ? Validity{period->first, period->second} : Validity{};
}

PodIdentity pod_identity(const std::string& token) { return decode_claims(token).pod; }

}  // namespace baton::kube
