// Whom the gateway takes for its service where it asks over TLS: who shows a certificate that the
// CA has signed for the service's name.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "http/client.h"

namespace baton::fence {

class Trust {
 public:
  /// `ca_file`: PEM; nobody else is trusted. `server_name` "": the host that is dialled. An error
  /// says what is wrong with the file.
  static Result<std::shared_ptr<Trust>> open(std::string ca_file, std::string server_name);

  /// For a new connection. Reads the file, since a CA is replaced while this runs; while it is
  /// missing, or holds no CA, the one before is trusted. Any thread.
  std::shared_ptr<http::TlsContext> context();

 private:
  explicit Trust(std::string ca_file) : ca_file_(std::move(ca_file)) {}

  const std::string ca_file_;
  std::mutex mutex_;     // protects what follows
  http::ClientTls tls_;  // of context_
  std::shared_ptr<http::TlsContext> context_;
};

}  // namespace baton::fence
