// A blocking HTTP/1.1 client with hard deadlines, over TCP, a Unix socket or TLS.
//
// One Connection belongs to one thread; only cancel() may be called from another. No call returns
// later than its deadline (name resolution, connect and TLS included), apart from scheduling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"

namespace baton::http {

/// Trust and identity for TLS. Only ca_pem is trusted (no system roots); TLS 1.2 or later; the
/// server's name is verified as an IP SAN if it is an address, else as a DNS SAN.
struct ClientTls {
  std::string ca_pem;
  std::string server_name;             // verified and sent as SNI; "" means the host dialled
  std::string client_certificate_pem;  // "" for none
  std::string client_key_pem;
  bool insecure_skip_verify = false;
  // What an error names as the mend, in the words of who gave them.
  std::string ca_words = "the CA";
  std::string server_name_words = "the server name";

  bool operator==(const ClientTls&) const = default;
};

struct Endpoint {
  std::string host;  // name, IPv4, IPv6 without brackets, or "unix:/path"
  std::uint16_t port = 0;
  std::string authority;  // Host header; "" : host:port
};
/// "host:port" or "unix:/path", for people.
std::string name_of(const Endpoint& endpoint);
/// The Host header.
std::string authority_of(const Endpoint& endpoint);

enum class IoKind {
  ok,
  not_sent,  // failed before the first byte of the request went out, by a certificate that was
             // refused too: certainly not applied
  unknown,   // failed after that: may have been applied
  canceled,
  refused,  // the answer broke a limit or the protocol: may have been applied
};

struct Reply {
  IoKind kind = IoKind::unknown;
  std::string what;  // one line, unless ok
  Response response;
  bool reused_connection = false;
  bool resumed_tls = false;
};

struct ClientLimits {
  std::size_t header_bytes = 65536;
  std::size_t body_bytes = std::size_t{4} << 20;
  std::size_t line_bytes = std::size_t{1} << 20;  // of a streamed body
};

/// A TLS context with a session cache, shared by the connections to one server. Any thread.
class TlsContext;
Result<std::shared_ptr<TlsContext>> make_tls_context(const ClientTls& tls);

class Connection {
 public:
  /// Not connected yet. `tls` null: plain.
  static std::unique_ptr<Connection> make(Endpoint endpoint, std::shared_ptr<TlsContext> tls,
                                          ClientLimits limits = {});
  virtual ~Connection() = default;

  /// Connects (with TLS, resuming the last session) unless connected. "" or one line.
  virtual std::string connect(Instant deadline) = 0;
  virtual bool connected() const = 0;
  /// Sends and reads the whole answer. Connects first if needed. A kept connection that the peer
  /// has closed meanwhile is replaced once if no byte of the request was answered and the failure
  /// came before the request was written. After any failure the connection is closed.
  virtual Reply exchange(const Request& request, Instant deadline) = 0;
  /// Sends and reads the head only; the body follows through next_line(). A status other than 200
  /// comes with its whole body.
  virtual Reply open_stream(const Request& request, Instant deadline) = 0;
  /// The next line of the body without its newline; empty optional at the end of the body, at
  /// cancel(), at an error (then `error` says it) or at the deadline (`error` is "deadline"; the
  /// stream stays open and the call may be repeated).
  virtual std::optional<std::string> next_line(Instant deadline, std::string& error) = 0;
  virtual void close() = 0;
  /// Makes the running call, or the next one if none runs, return `canceled`. Any thread.
  virtual void cancel() = 0;
};

}  // namespace baton::http
