// A TLS server on 127.0.0.1 that answers request after request with the bytes it was given, well
// formed or not, whichever connection it comes on.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kube/cluster.h"
#include "support/certificates.h"
#include "support/text.h"

namespace baton::kube {

/// A time limit that no call of a test comes near.
constexpr std::chrono::seconds kGenerous{20};

using test::holds;

/// What follows a request. No bytes and no close: silence.
struct Answer {
  std::string bytes;
  bool closes = false;
};
Answer answer(int status, const std::string& body, const std::string& headers = "");
/// A watch: 200 and these lines, one chunk each, then silence.
Answer stream(const std::vector<std::string>& lines);
/// The same, then the end of the body.
Answer ended_stream(const std::vector<std::string>& lines);

struct SeenRequest {
  std::string line;  // "GET /path HTTP/1.1"
  http::Headers headers;
  std::string body;
  std::string header(std::string_view name) const {
    return std::string(http::header(headers, name));
  }
};

class ScriptedServer {
 public:
  /// `name` is the certificate's only one.
  explicit ScriptedServer(const std::string& name = "IP:127.0.0.1");
  ~ScriptedServer();

  void then(Answer next);
  Cluster cluster() const;  // with the token "secret"
  std::vector<SeenRequest> requests() const;
  int connections() const;  // with a completed handshake
  void wait_for_request(std::size_t number) const;
  void wait_until_closed() const;  // every connection, by either side

 private:
  void accept_all();
  void serve(int descriptor);
  void answer_all(SSL* ssl);
  /// The answer to the next request of this connection; empty when that has ended.
  std::optional<Answer> next_answer(SSL* ssl, std::string& buffered);

  const test::CertificateAuthority authority_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, SSL_CTX_free};
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Protected by mutex_.
  std::deque<Answer> script_;
  std::vector<SeenRequest> requests_;
  int connections_ = 0;
  std::set<int> open_;
  bool is_stopping_ = false;
  std::thread acceptor_;
  std::vector<std::thread> servers_;  // the acceptor's until it has ended
};

}  // namespace baton::kube
