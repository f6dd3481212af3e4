// Whom the client and the server trust, and that sessions are resumed.
#include <gtest/gtest.h>

#include "support/certificates.h"
#include "unit/http/pair.h"

namespace baton::http {
namespace {

using test::CertificateAuthority;
using test::CertificateNames;

class Tls : public testing::Test {
 protected:
  void serve(const CertificateNames& names, const std::string& client_ca_pem = "") {
    const auto issued = authority_.issue(names);
    server_ = started({.address = "127.0.0.1:0",
                       .limits = {},
                       .tls = std::make_shared<ServerTls>(
                           ServerTls{issued.certificate_pem, issued.key_pem, client_ca_pem})},
                      [](const auto& exchange) {
                        exchange->reply({200, {}, "hello"});
                      });
  }
  ClientTls trusting(const CertificateAuthority& authority) const {
    ClientTls tls;
    tls.ca_pem = authority.pem();
    return tls;
  }
  Reply ask(const ClientTls& tls) {
    const auto context = make_tls_context(tls);
    EXPECT_TRUE(context.ok()) << (context.ok() ? "" : context.error());
    return client_of(*server_, *context)->exchange(get("/"), soon());
  }
  void expect_refused(const ClientTls& tls, const std::string& why) {
    const Reply reply = ask(tls);
    EXPECT_EQ(IoKind::not_sent, reply.kind);
    EXPECT_EQ("TLS with " + server_->address() + ": certificate verify failed: " + why, reply.what);
  }

  CertificateAuthority authority_;
  std::unique_ptr<Server> server_;
};

TEST_F(Tls, VerifiesAddressesAndNames) {
  serve({"server", {"IP:127.0.0.1", "DNS:api.example.org"}});
  EXPECT_EQ("hello", ask(trusting(authority_)).response.body);
  ClientTls by_name = trusting(authority_);
  by_name.server_name = "api.example.org";
  EXPECT_EQ("hello", ask(by_name).response.body);
  by_name.server_name = "other.example.org";
  expect_refused(by_name,
                 "hostname mismatch; the certificate is for other names; set the server name to "
                 "one of its SANs");
  ClientTls anyone;
  anyone.insecure_skip_verify = true;
  EXPECT_EQ("hello", ask(anyone).response.body);
}

TEST_F(Tls, RefusesAnotherAddress) {
  serve({"127.0.0.1", {"IP:127.0.0.2", "DNS:127.0.0.1"}});
  expect_refused(trusting(authority_),
                 "IP address mismatch; the certificate is for other names; set the server name to "
                 "one of its SANs");
}

TEST_F(Tls, RefusesACertificateWithACommonNameOnly) {
  serve({"api.example.org", {}});
  ClientTls tls = trusting(authority_);
  tls.server_name = "api.example.org";
  expect_refused(tls,
                 "hostname mismatch; the certificate is for other names; set the server name to "
                 "one of its SANs");
}

TEST_F(Tls, RefusesAnotherAuthority) {
  serve({"server", {"IP:127.0.0.1"}});
  ClientTls tls = trusting(CertificateAuthority("someone else"));
  tls.ca_words = "the CA that was given";
  expect_refused(tls,
                 "unable to get local issuer certificate; the CA that was given did not sign it");
}

TEST_F(Tls, ResumesTheLastSession) {
  serve({"server", {"IP:127.0.0.1"}});
  const auto context = make_tls_context(trusting(authority_));
  for (int i = 0; i < 5; ++i) {
    const Reply reply = client_of(*server_, *context)->exchange(get("/"), soon());
    ASSERT_EQ(IoKind::ok, reply.kind) << reply.what;
    EXPECT_EQ(i > 0, reply.resumed_tls) << i;
  }
}

TEST_F(Tls, DoesNotResumeForAnotherName) {
  serve({"server", {"IP:127.0.0.1"}});
  const auto context = make_tls_context(trusting(authority_));
  ASSERT_EQ(IoKind::ok, client_of(*server_, *context)->exchange(get("/"), soon()).kind);
  Endpoint other = endpoint_of(server_->address());
  other.host = "loopback.test";  // the same server, by a name its certificate does not have
  const Reply reply = Connection::make(other, *context)->exchange(get("/"), soon());
  EXPECT_EQ(IoKind::not_sent, reply.kind) << reply.what;
}

TEST_F(Tls, TheServerAsksForAClientCertificate) {
  const CertificateAuthority clients("clients");
  serve({"server", {"IP:127.0.0.1"}}, clients.pem());
  EXPECT_NE(IoKind::ok, ask(trusting(authority_)).kind);
  ClientTls tls = trusting(authority_);
  const auto stranger = authority_.issue({"client", {}});
  tls.client_certificate_pem = stranger.certificate_pem;
  tls.client_key_pem = stranger.key_pem;
  EXPECT_NE(IoKind::ok, ask(tls).kind);
  const auto known = clients.issue({"client", {}});
  tls.client_certificate_pem = known.certificate_pem;
  tls.client_key_pem = known.key_pem;
  EXPECT_EQ("hello", ask(tls).response.body);
}

TEST_F(Tls, APlainServerOrClientIsNamed) {
  server_ =
      started({.address = "127.0.0.1:0", .limits = {}, .tls = nullptr}, [](const auto& exchange) {
        exchange->reply({200, {}, ""});
      });
  const Reply reply = ask(trusting(authority_));
  EXPECT_EQ(IoKind::not_sent, reply.kind);
  EXPECT_EQ("TLS with " + server_->address() + ": wrong version number", reply.what);
  serve({"server", {"IP:127.0.0.1"}});
  const Reply plain = client_of(*server_)->exchange(get("/"), soon());
  EXPECT_NE(IoKind::ok, plain.kind);
  EXPECT_NE("", plain.what);
}

TEST(TlsContext, NamesBadPem) {
  const CertificateAuthority authority;
  const auto issued = authority.issue({"a", {}});
  const auto other = authority.issue({"b", {}});
  const auto error_of = [](const ClientTls& tls) {
    const auto context = make_tls_context(tls);
    return context.ok() ? "" : context.error();
  };
  ClientTls tls;
  EXPECT_EQ(
      "TLS: the CA is no PEM certificate (none found); give the PEM text with BEGIN "
      "CERTIFICATE",
      error_of(tls));
  tls.ca_pem = authority.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_TRUE(error_of(tls).starts_with("TLS: the CA is no PEM certificate (")) << error_of(tls);
  tls.ca_pem = authority.pem() + CertificateAuthority("second").pem();
  EXPECT_EQ("", error_of(tls));
  tls.client_certificate_pem = "no pem";
  EXPECT_TRUE(error_of(tls).starts_with("TLS: client certificate: the certificate is no PEM"));
  tls.client_certificate_pem = issued.certificate_pem;
  EXPECT_TRUE(error_of(tls).starts_with("TLS: client certificate: the private key is no"));
  tls.client_key_pem = other.key_pem;
  EXPECT_TRUE(
      error_of(tls).starts_with("TLS: client certificate: the private key does not belong"));
  tls.client_key_pem = issued.key_pem;
  EXPECT_EQ("", error_of(tls));
  const auto server = Server::listen(
      {.address = "127.0.0.1:0", .limits = {}, .tls = std::make_shared<ServerTls>()}, {});
  ASSERT_FALSE(server.ok());
  EXPECT_TRUE(server.error().starts_with("TLS: the certificate is no PEM")) << server.error();
}

}  // namespace
}  // namespace baton::http
