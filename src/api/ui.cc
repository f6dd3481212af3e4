#include "api/ui.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <string>

#include "api/document.h"

namespace baton::api {
namespace {

/// What lets a browser take the text between these tags: 'sha256-BASE64'.
std::string hash_of(const std::string& tag) {
  const std::size_t from = kUiHtml.find("<" + tag + ">") + tag.size() + 2;
  const std::string_view text = kUiHtml.substr(from, kUiHtml.find("</" + tag + ">", from) - from);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, (SHA256_DIGEST_LENGTH + 2) / 3 * 4 + 1> encoded{};
  EVP_EncodeBlock(encoded.data(), digest.data(), SHA256_DIGEST_LENGTH);
  return "'sha256-" + std::string(reinterpret_cast<const char*>(encoded.data())) + "'";
}

}  // namespace

http::Response ui_answer() {
  static const std::string policy = "default-src 'none'; connect-src 'self'; script-src " +
                                    hash_of("script") + "; style-src " + hash_of("style") +
                                    "; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
                                    " require-trusted-types-for 'script'";
  http::Response answer = uncached(200, "text/html; charset=utf-8", std::string(kUiHtml));
  answer.headers.insert(answer.headers.end(), {{"Content-Security-Policy", policy},
                                               {"Cross-Origin-Opener-Policy", "same-origin"},
                                               {"Cross-Origin-Resource-Policy", "same-origin"},
                                               {"Referrer-Policy", "no-referrer"},
                                               {"X-Content-Type-Options", "nosniff"}});
  return answer;
}

}  // namespace baton::api
