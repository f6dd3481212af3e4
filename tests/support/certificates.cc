#include "support/certificates.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace baton::test {
namespace {

constexpr long kHour_s = 3600;

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "making a test certificate failed: %s\n", what);
  std::abort();
}

template <typename Write>
std::string to_pem(const Write& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  require(write(bio) == 1, "writing PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  require(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

CertificateAuthority::Certificate CertificateAuthority::make(const CertificateNames& names,
                                                             EVP_PKEY* subject_key, X509* issuer,
                                                             EVP_PKEY* issuer_key) {
  static std::atomic<long> serial = 1;
  Certificate certificate(X509_new());
  X509* x509 = certificate.get();
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x509), -kHour_s);
  X509_gmtime_adj(X509_getm_notAfter(x509), 24 * kHour_s);
  X509_set_pubkey(x509, subject_key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(names.common_name.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(issuer != nullptr ? issuer : x509));
  const bool is_authority = issuer == nullptr;
  extend(x509, is_authority ? x509 : issuer, NID_basic_constraints,
         is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  std::string list;
  for (const auto& name : names.alternative_names) list += (list.empty() ? "" : ",") + name;
  if (!list.empty()) extend(x509, issuer, NID_subject_alt_name, list);
  require(X509_sign(x509, issuer_key, EVP_sha256()) > 0, "signing");
  return certificate;
}

CertificateAuthority::CertificateAuthority(const std::string& common_name)
    : key_(EVP_EC_gen("P-256")),
      certificate_(make({common_name, {}}, key_.get(), nullptr, key_.get())),
      pem_(to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate_.get()); })) {}

IssuedCertificate CertificateAuthority::issue(const CertificateNames& names) const {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate = make(names, key.get(), certificate_.get(), key_.get());
  return {to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }),
          to_pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace baton::test
