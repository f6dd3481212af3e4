// Certificates made on the spot for tests: an authority of its own and what it issues.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace baton::test {

struct IssuedCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

struct CertificateNames {
  std::string common_name = "baton-test";
  // As OpenSSL writes them: "DNS:localhost", "IP:127.0.0.1", "IP:::1". None: no SAN at all.
  std::vector<std::string> alternative_names;
};

/// ECDSA P-256, valid from an hour ago until tomorrow. Aborts the test program on failure.
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

  static Certificate make(const CertificateNames& names, EVP_PKEY* subject_key, X509* issuer,
                          EVP_PKEY* issuer_key);

  Key key_;
  Certificate certificate_;
  std::string pem_;
};

}  // namespace baton::test
