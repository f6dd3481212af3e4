#include "devserver/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

namespace baton::devserver {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* held) const {
    Free(held);
  }
};
using KeyPointer = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertificatePointer = std::unique_ptr<X509, Freer<X509_free>>;
using ExtensionPointer = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using BioPointer = std::unique_ptr<BIO, Freer<BIO_free_all>>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem(X509* certificate) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string pem(EVP_PKEY* key) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPointer extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

CertificatePointer make_unsigned(const std::string& name, EVP_PKEY* key) {
  constexpr long kDay = 24L * 3600;
  CertificatePointer certificate(X509_new());
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1U);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 30 * kDay);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

Result<Certificates> make_certificates(const std::string& ca_name) {
  const KeyPointer ca_key(EVP_EC_gen("P-256"));
  const KeyPointer key(EVP_EC_gen("P-256"));
  if (!ca_key || !key) {
    return Error{"OpenSSL cannot make a P-256 key"};
  }
  const CertificatePointer ca = make_unsigned(ca_name, ca_key.get());
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  const CertificatePointer server = make_unsigned("baton-devserver", key.get());
  X509_set_issuer_name(server.get(), X509_get_subject_name(ca.get()));
  const bool made =
      add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE") &&
      add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") &&
      X509_sign(ca.get(), ca_key.get(), EVP_sha256()) > 0 &&
      add_extension(server.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(server.get(), ca.get(), NID_ext_key_usage, "serverAuth") &&
      add_extension(server.get(), ca.get(), NID_authority_key_identifier, "keyid") &&
      add_extension(server.get(), ca.get(), NID_subject_alt_name,
                    "IP:127.0.0.1,IP:::1,DNS:localhost") &&
      X509_sign(server.get(), ca_key.get(), EVP_sha256()) > 0;
  if (!made) {
    return Error{"OpenSSL cannot make a certificate"};
  }
  return Certificates{pem(ca.get()), pem(server.get()), pem(key.get())};
}

}  // namespace baton::devserver
