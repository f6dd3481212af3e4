// Two certificates with their keys, made anew in each run.
#pragma once

#include "support/certificates.h"

namespace baton::kube {

inline const test::IssuedCertificate kFirst = test::CertificateAuthority("a").issue({"first", {}});
inline const test::IssuedCertificate kSecond =
    test::CertificateAuthority("b").issue({"second", {}});

}  // namespace baton::kube
