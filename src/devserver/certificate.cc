#include "devserver/certificate.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <boost/algorithm/string/join.hpp>
#include <cstdio>
#include <cstdlib>

namespace baton::devserver {
namespace {

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "OpenSSL cannot make a certificate: %s\n", what);
  std::abort();
}

/// The text that `write` puts into a BIO.
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

std::string to_pem(X509* certificate) {
  return to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

void extend(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  require(extension != nullptr, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

/// Without issuer, extensions and signature.
CertificateAuthority::Certificate CertificateAuthority::make(const std::string& common_name,
                                                             EVP_PKEY* key) {
  constexpr long kDay_s = 24L * 3600;
  Certificate certificate(X509_new());
  X509* x509 = certificate.get();
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial >> 1U);
  X509_gmtime_adj(X509_getm_notBefore(x509), -kDay_s);
  X509_gmtime_adj(X509_getm_notAfter(x509), 30 * kDay_s);
  X509_set_pubkey(x509, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  return certificate;
}

CertificateAuthority::CertificateAuthority(const std::string& common_name)
    : key_(EVP_EC_gen("P-256")), certificate_(make(common_name, key_.get())) {
  X509* own = certificate_.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  extend(own, own, NID_basic_constraints, "critical,CA:TRUE");
  extend(own, own, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(own, own, NID_subject_key_identifier, "hash");
  require(X509_sign(own, key_.get(), EVP_sha256()) > 0, "signing");
  pem_ = to_pem(own);
}

IssuedCertificate CertificateAuthority::issue(const CertificateNames& names) const {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate issued = make(names.common_name, key.get());
  X509* x509 = issued.get();
  X509* authority = certificate_.get();
  X509_set_issuer_name(x509, X509_get_subject_name(authority));
  extend(x509, authority, NID_basic_constraints, "critical,CA:FALSE");
  extend(x509, authority, NID_ext_key_usage, "serverAuth,clientAuth");
  extend(x509, authority, NID_authority_key_identifier, "keyid");
  const std::string alternative_names = boost::join(names.alternative_names, ",");
  if (!alternative_names.empty()) {
    extend(x509, authority, NID_subject_alt_name, alternative_names.c_str());
  }
  require(X509_sign(x509, key_.get(), EVP_sha256()) > 0, "signing");
  return {to_pem(x509), to_pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace baton::devserver
