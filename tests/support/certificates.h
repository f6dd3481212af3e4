// Certificates made on the spot for tests: an authority of its own and what it issues.
#pragma once

#include "devserver/certificate.h"

namespace baton::test {

using devserver::CertificateAuthority;
using devserver::CertificateNames;
using devserver::IssuedCertificate;

}  // namespace baton::test
