// A certificate authority and a server certificate, made anew at each start.
#pragma once

#include <string>

#include "base/result.h"

namespace baton::devserver {

struct Certificates {
  std::string ca_pem;
  std::string server_pem;
  std::string server_key_pem;
};

/// ECDSA P-256, valid from a day ago for 30 days; the server's names are the addresses 127.0.0.1
/// and ::1 and the name localhost.
Result<Certificates> make_certificates(const std::string& ca_name);

}  // namespace baton::devserver
