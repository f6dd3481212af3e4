#include "fence/trust.h"

#include <utility>

#include "base/text.h"

namespace baton::fence {

Result<std::shared_ptr<Trust>> Trust::open(std::string ca_file, std::string server_name) {
  std::shared_ptr<Trust> trust(new Trust(std::move(ca_file)));
  auto ca = read_file(trust->ca_file_);
  if (!ca) return Error{ca.error()};
  trust->tls_.ca_pem = std::move(ca).value();
  trust->tls_.server_name = std::move(server_name);
  trust->tls_.ca_words = "the CA of " + trust->ca_file_;
  trust->tls_.server_name_words = "--upstream-server-name";
  auto made = http::make_tls_context(trust->tls_);
  if (!made) return Error{trust->ca_file_ + ": " + made.error()};
  trust->context_ = std::move(made).value();
  return trust;
}

std::shared_ptr<http::TlsContext> Trust::context() {
  const std::lock_guard lock(mutex_);
  const auto ca = read_file(ca_file_);
  if (ca && *ca != tls_.ca_pem) {
    http::ClientTls next = tls_;
    next.ca_pem = *ca;
    if (auto made = http::make_tls_context(next)) {
      context_ = std::move(made).value();
      tls_ = std::move(next);
    }
  }
  return context_;
}

}  // namespace baton::fence
