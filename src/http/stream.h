// A connected socket of any family, plain or with TLS, as Asio sees it: what client and server
// share.
#pragma once

#include <optional>
#include <string>
#include <utility>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include "http/tls.h"

namespace baton::http {

namespace asio = boost::asio;
using boost::system::error_code;

inline std::string text_of(const error_code& error) {
  const bool is_end = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  return is_end ? "closed by the peer" : error.message();
}

/// Reads and writes through `tls` once that is there. One of Asio's AsyncStreams.
struct Stream {
  using Protocol = asio::generic::stream_protocol;
  using Socket = Protocol::socket;
  using executor_type = Socket::executor_type;

  explicit Stream(Socket connected) : socket(std::move(connected)) {}

  executor_type get_executor() { return socket.get_executor(); }
  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    tls ? tls->async_read_some(buffers, std::forward<Handler>(handler))
        : socket.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    tls ? tls->async_write_some(buffers, std::forward<Handler>(handler))
        : socket.async_write_some(buffers, std::forward<Handler>(handler));
  }

  /// For a client's handshake. False: `host` is no server name.
  bool begin_tls(TlsContext& context, const std::string& host) {
    SSL_CTX_up_ref(context.native());
    asio::ssl::context counted(context.native());  // gives the reference back
    tls.emplace(socket, counted);
    return context.prepare(tls->native_handle(), host);
  }

  void close() {
    error_code ignored;
    socket.close(ignored);
    // OpenSSL forgets the session of a connection that was not shut down.
    if (tls) SSL_set_shutdown(tls->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  Socket socket;
  std::optional<asio::ssl::stream<Socket&>> tls;
};

}  // namespace baton::http
