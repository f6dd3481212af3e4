// Certificates made on the spot, for the devserver and for tests: an authority of its own and what
// it issues.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace baton::devserver {

struct IssuedCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

struct CertificateNames {
  std::string common_name = "baton-test";
  // As OpenSSL writes them: "DNS:localhost", "IP:127.0.0.1", "IP:::1". None: no SAN at all.
  std::vector<std::string> alternative_names;
};

/// ECDSA P-256, for servers and clients, valid from a day ago for 30 days. Aborts the program with
/// a sentence if OpenSSL cannot make it.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& common_name = "baton-test-ca");
  const std::string& pem() const { return pem_; }
  IssuedCertificate issue(const CertificateNames& names) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;

  static Certificate make(const std::string& common_name, EVP_PKEY* key);

  const Key key_;
  const Certificate certificate_;
  std::string pem_;
};

}  // namespace baton::devserver
