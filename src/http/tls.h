// TLS contexts by plain OpenSSL: trust, identity, the name check and the client's session cache.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "http/client.h"
#include "http/server.h"

namespace baton::http {

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslFree>;
using SslSession = std::unique_ptr<SSL_SESSION, SslFree>;

Result<SslContext> make_server_context(const ServerTls& tls);

/// notBefore and notAfter of the first certificate in PEM text, in seconds since 1970; empty if
/// there is none.
std::optional<std::pair<std::int64_t, std::int64_t>> validity_of(
    const std::string& certificate_pem);

class TlsContext {
 public:
  TlsContext(SslContext context, const ClientTls& tls);

  SSL_CTX* native() const { return context_.get(); }
  /// Before the handshake: the name to verify and send, and the last session with that name.
  bool prepare(SSL* ssl, const std::string& host);
  /// After the first answer, before which a server sends its tickets: keeps the session.
  void remember(SSL* ssl, const std::string& host);
  /// After a failed handshake: why we refused the peer's certificate, "" if that was not it. The
  /// next handshake starts without a session.
  std::string explain_failure(SSL* ssl);

 private:
  const std::string& name_of(const std::string& host) const;
  std::string mend_for(long verify_result) const;

  const SslContext context_;
  const std::string server_name_, ca_words_, server_name_words_;

  std::mutex mutex_;
  // A resumed session is not verified again, so it serves only the name it was verified for.
  SslSession session_;
  std::string session_name_;
};

}  // namespace baton::http
