#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>

#include "base/text.h"

namespace baton::http {
namespace {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, BioFree>;
using Certificate = std::unique_ptr<X509, BioFree>;
using Key = std::unique_ptr<EVP_PKEY, BioFree>;

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "no reason given";
}

/// Never asks a terminal for the passphrase of an encrypted key.
int no_passphrase(char*, int, int, void*) { return 0; }

Certificate next_certificate(BIO* bio) {
  return Certificate(PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
}

/// Each returns "" or what is wrong with the PEM text.
std::string trust(SSL_CTX* context, const std::string& ca_pem) {
  const Bio bio = bio_of(ca_pem);
  int count = 0;
  while (const Certificate certificate = next_certificate(bio.get())) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get());
    SSL_CTX_add_client_CA(context, certificate.get());  // which a server names to its clients
    ++count;
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (count == 0 || !at_end) {
    return "the CA is no PEM certificate (" + (count == 0 && at_end ? "none found" : reason) +
           "); give the PEM text with BEGIN CERTIFICATE";
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return "";
}

std::string identify(SSL_CTX* context, const std::string& certificate_pem,
                     const std::string& key_pem) {
  const Bio bio = bio_of(certificate_pem);
  const Certificate leaf = next_certificate(bio.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return "the certificate is no PEM certificate (" + openssl_reason() + ")";
  }
  while (const Certificate issuer = next_certificate(bio.get())) {
    SSL_CTX_add1_chain_cert(context, issuer.get());
  }
  ERR_clear_error();  // the end of the chain is reported as one
  const Bio key_bio = bio_of(key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return "the private key is no unencrypted PEM key (" + openssl_reason() + ")";
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return "the private key does not belong to the certificate (" + openssl_reason() + ")";
  }
  return "";
}

SslContext new_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method));
  if (context) {
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  }
  return context;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

}  // namespace

Result<SslContext> make_server_context(const ServerTls& tls) {
  SslContext context = new_context(TLS_server_method());
  if (!context) return Error{"TLS: " + openssl_reason()};
  if (std::string why = identify(context.get(), tls.certificate_pem, tls.private_key_pem);
      !why.empty()) {
    return Error{"TLS: " + why};
  }
  static constexpr std::array<unsigned char, 5> kSessionContext = {'b', 'a', 't', 'o', 'n'};
  SSL_CTX_set_session_id_context(context.get(), kSessionContext.data(), kSessionContext.size());
  if (!tls.client_ca_pem.empty()) {
    if (std::string why = trust(context.get(), tls.client_ca_pem); !why.empty()) {
      return Error{"TLS: client CA: " + why};
    }
  }
  return context;
}

std::optional<std::pair<std::int64_t, std::int64_t>> validity_of(
    const std::string& certificate_pem) {
  const Certificate leaf = next_certificate(bio_of(certificate_pem).get());
  ERR_clear_error();
  if (!leaf) return {};
  return {
      {seconds_of(X509_get0_notBefore(leaf.get())), seconds_of(X509_get0_notAfter(leaf.get()))}};
}

Result<std::shared_ptr<TlsContext>> make_tls_context(const ClientTls& tls) {
  SslContext context = new_context(TLS_client_method());
  if (!context) return Error{"TLS: " + openssl_reason()};
  if (!tls.insecure_skip_verify) {
    if (std::string why = trust(context.get(), tls.ca_pem); !why.empty()) {
      return Error{"TLS: " + why};
    }
  }
  if (!tls.client_certificate_pem.empty()) {
    if (std::string why = identify(context.get(), tls.client_certificate_pem, tls.client_key_pem);
        !why.empty()) {
      return Error{"TLS: client certificate: " + why};
    }
  }
  return std::make_shared<TlsContext>(std::move(context), tls);
}

TlsContext::TlsContext(SslContext context, const ClientTls& tls)
    : context_(std::move(context)),
      server_name_(tls.server_name),
      ca_words_(tls.ca_words),
      server_name_words_(tls.server_name_words) {}

const std::string& TlsContext::name_of(const std::string& host) const {
  return server_name_.empty() ? host : server_name_;
}

bool TlsContext::prepare(SSL* ssl, const std::string& host) {
  const std::string& name = name_of(host);
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) != 1) {  // not an address
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, name.c_str()) != 1) return false;
    if (SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
  }
  const std::lock_guard lock(mutex_);
  if (session_ && session_name_ == name) SSL_set_session(ssl, session_.get());
  return true;
}

void TlsContext::remember(SSL* ssl, const std::string& host) {
  SslSession session(SSL_get1_session(ssl));
  if (!session || SSL_SESSION_is_resumable(session.get()) != 1) return;
  const std::lock_guard lock(mutex_);
  session_ = std::move(session);
  session_name_ = name_of(host);
}

std::string TlsContext::mend_for(long verify_result) const {
  switch (verify_result) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return ca_words_ + " did not sign it";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the certificate is for other names; set " + server_name_words_ +
             " to one of its SANs";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "renew the server's certificate, or set this machine's clock";
    default: return "check the server's certificate and " + ca_words_;
  }
}

std::string TlsContext::explain_failure(SSL* ssl) {
  {
    const std::lock_guard lock(mutex_);
    session_.reset();
  }
  const long result = SSL_get_verify_result(ssl);
  if (result == X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) return "";
  return std::string("certificate verify failed: ") + X509_verify_cert_error_string(result) + "; " +
         mend_for(result);
}

}  // namespace baton::http
